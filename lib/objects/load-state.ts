import { attempt, attemptAsync } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'

/** libbpf's life cycle of an object: open, (prepared,) loaded, closed. */
export type State = 'open' | 'prepared' | 'loading' | 'loaded' | 'failed' | 'closed'

const reasons: Record<State, [code: string, why: string]> = {
  open: ['ERR_BPF_STATE', 'it is not loaded yet'],
  prepared: ['ERR_BPF_STATE', 'it is prepared, but not loaded yet'],
  loading: ['ERR_BPF_BUSY', 'it is loading; wait for load() to finish'],
  loaded: ['ERR_BPF_STATE', 'it is already loaded'],
  failed: ['ERR_BPF_STATE', 'it failed to load; open it again'],
  closed: ['ERR_BPF_CLOSED', 'it is closed'],
}

/** The state of an object, and the loading that changes it. @internal */
export class LoadState {
  readonly #object: string
  #state: State = 'open'
  #tried = false

  /** @param object - the name of the object, for errors */
  constructor(object: string) {
    this.#object = object
  }

  is(...states: State[]): boolean {
    return states.includes(this.#state)
  }

  /**
   * Whether loading was ever begun: read-only sections may be mapped read-only from then on, even if it failed.
   */
  get tried(): boolean {
    return this.#tried
  }

  /** @param what - the operation, as the beginning of a sentence: "attach" */
  expect(what: string, ...states: State[]): void {
    if (!this.is(...states)) throw this.error(what)
  }

  /** Why the operation is not possible in the current state. */
  error(what: string): BpfError {
    const [code, why] = reasons[this.#state]
    return new BpfError(`${what} object '${this.#object}': ${why}`, { code, object: this.#object })
  }

  /** Returns false if the object was closed before. */
  close(): boolean {
    if (this.#state === 'closed') return false
    this.#state = 'closed'
    return true
  }

  /** @param prepare - last changes to an open object; if it throws, the object stays open */
  begin(what: 'prepare' | 'load', prepare: () => void): void {
    this.expect(what, 'open', ...(what === 'load' ? (['prepared'] as const) : []))
    if (this.#state === 'open') prepare()
    this.#tried = true
    this.#state = 'loading'
  }

  /** Runs the native call. The object can be closed while it runs. */
  async run(end: 'prepared' | 'loaded', subject: Subject, call: () => Promise<void>): Promise<void> {
    try {
      await attemptAsync(subject, call)
    } catch (error) {
      // A closed object has no capabilities or log to report, so the error only says that it is closed.
      this.#end('failed')
      throw error
    }
    this.#end(end)
  }

  /** Like {@link run}. A logger that is called in the meantime can close the object. */
  runSync(end: 'prepared' | 'loaded', subject: Subject, call: () => void): void {
    try {
      attempt(subject, call)
    } catch (error) {
      if (this.#state !== 'closed') this.#state = 'failed'
      throw error
    }
    this.#end(end)
  }

  #end(state: State): void {
    if (this.#state === 'closed') throw this.error('load')
    this.#state = state
  }
}
