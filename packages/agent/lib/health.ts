import type { Shed } from './shedding.js'

/** What a program of the configuration goes through. The verifier checks it in `load`. */
export const stages = ['open', 'load', 'attach', 'read'] as const

/** Why a BPF program is not loaded or attached; the whole object has the name ''. */
export interface Failure {
  readonly program: string
  readonly stage: (typeof stages)[number]
  readonly reason: string
}

/** The health of a program of the configuration. */
export interface ProgramHealth {
  /**
   * `degraded`: some of its BPF programs are not attached. `failed`: none is. `detached`: the agent has detached them
   * because of the limits.
   */
  readonly status: 'starting' | 'running' | 'degraded' | 'detached' | 'failed'
  readonly failures: readonly Failure[]
}

export type Overall = 'starting' | 'running' | 'degraded' | 'failed'

/** What /healthz and /readyz say. */
export class Health {
  readonly #programs = new Map<string, { readonly health: ProgramHealth }>()
  #started = false

  /** What is left out because of the limits. */
  shed: () => Shed | undefined = () => undefined

  /** To be called when everything has been tried. */
  started(): void {
    this.#started = true
  }

  /** Sets the object that knows the health of a program. */
  set(program: string, who: { readonly health: ProgramHealth }): void {
    this.#programs.set(program, who)
  }

  remove(program: string): void {
    this.#programs.delete(program)
  }

  get overall(): Overall {
    const all = [...this.#programs.values()].map(({ health }) => health.status)
    if (!this.#started || all.includes('starting')) return 'starting'
    if (all.every((status) => status === 'running')) return 'running'
    return all.every((status) => status === 'failed') ? 'failed' : 'degraded'
  }

  /** Whether the agent is doing its work: something runs. */
  get ready(): boolean {
    return this.overall === 'running' || this.overall === 'degraded'
  }

  toJSON(): object {
    const programs = [...this.#programs].map(([name, { health }]) => [name, health])
    return { status: this.overall, shed: this.shed(), programs: Object.fromEntries(programs) }
  }
}
