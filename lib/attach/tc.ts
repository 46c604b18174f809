import { constants } from 'node:os'
import type { TcFilter as Filter, NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import { type Interface, interfaceIndex } from './interface.js'

/** Incoming packets, outgoing packets, or those of a class, by its number (`major << 16 | minor`). */
export type TcPoint = 'ingress' | 'egress' | { readonly parent: number }

export interface TcOptions {
  /** The number of the filter among those of its priority; by default, the kernel chooses one. */
  handle?: number
  /** Filters with lower priorities run first: 1 to 65535; by default, the kernel chooses one. */
  priority?: number
  /** Atomically replaces the filter with this `handle` and `priority`. */
  replace?: boolean
}

const points = { ingress: 1, egress: 2, both: 3 } as const

/**
 * The clsact qdisc of an interface, to which traffic control attaches classifiers. On Linux 6.6 and newer, prefer
 * TCX, which needs no qdisc and has links: {@link Program.attachTcx}.
 */
export class TcHook {
  readonly interface: Interface
  readonly point: TcPoint
  readonly #ifindex: number
  readonly #point: number
  readonly #parent: number

  constructor(on: Interface, point: TcPoint) {
    const isPoint = point === 'ingress' || point === 'egress' || Number.isInteger(point?.parent)
    if (!isPoint) throw new TypeError(`point must be 'ingress', 'egress' or { parent }`)
    this.interface = on
    this.point = point
    this.#ifindex = interfaceIndex(on)
    this.#point = typeof point === 'string' ? points[point] : 4
    this.#parent = typeof point === 'string' ? 0 : point.parent
  }

  /**
   * Creates the clsact qdisc, for both directions. (`bpf_tc_hook_create`, Linux 4.5) @returns false if it exists
   * already
   */
  create(): boolean {
    try {
      this.#do('create the clsact qdisc', () => native.tcHookCreate(this.#ifindex, points.both, 0))
      return true
    } catch (error) {
      if (error instanceof BpfError && error.errno === constants.errno.EEXIST) return false
      throw error
    }
  }

  /** Removes all filters, including those that others have attached. (`bpf_tc_hook_destroy`) */
  flush(): void {
    this.#do('remove all filters', () => native.tcHookDestroy(this.#ifindex, this.#point, this.#parent))
  }

  /** Removes the clsact qdisc and with it the filters of both directions. (`bpf_tc_hook_destroy`) */
  destroy(): void {
    this.#do('remove the clsact qdisc', () => native.tcHookDestroy(this.#ifindex, points.both, 0))
  }

  /** Attaches a program as a filter, which stays after the process ends. (`bpf_tc_attach`) */
  attach(program: Program, { handle = 0, priority = 0, replace = false }: TcOptions = {}): TcFilter {
    const filter = this.#do(`attach program '${program.name}'`, () =>
      native.tcAttach(
        this.#ifindex,
        this.#point,
        this.#parent,
        programHandles.of(program),
        handle,
        priority,
        replace,
      ),
    )
    return new TcFilter(this, filter)
  }

  /** Finds the filter with this number and priority; `undefined` if it does not exist. (`bpf_tc_query`) */
  query(handle: number, priority: number): { programId: number } | undefined {
    try {
      const { programId } = this.#do('query a filter', () =>
        native.tcQuery(this.#ifindex, this.#point, this.#parent, handle, priority),
      )
      return { programId }
    } catch (error) {
      if (error instanceof BpfError && isAbsent(error.errno)) return undefined
      throw error
    }
  }

  /** Removes one filter. (`bpf_tc_detach`) @returns false if it does not exist */
  detach(handle: number, priority: number): boolean {
    try {
      this.#do('remove a filter', () =>
        native.tcDetach(this.#ifindex, this.#point, this.#parent, handle, priority),
      )
      return true
    } catch (error) {
      if (error instanceof BpfError && isAbsent(error.errno)) return false
      throw error
    }
  }

  #do<T>(what: string, call: () => T): T {
    const side = typeof this.point === 'string' ? this.point : `parent ${this.point.parent}`
    return attempt(
      {
        what: `tc ${side} of '${this.interface}': ${what}`,
        target: String(this.interface),
        capabilities: () => ['CAP_NET_ADMIN'],
        reason: whyNot,
      },
      call,
    )
  }
}

/** A classifier on a {@link TcHook}. Unlike a link, it stays attached after the process ends, until it is closed. */
export class TcFilter implements Disposable {
  readonly hook: TcHook
  readonly handle: number
  readonly priority: number
  readonly programId: number
  #closed = false

  /** @internal */
  constructor(hook: TcHook, { handle, priority, programId }: Filter) {
    this.hook = hook
    this.handle = handle
    this.priority = priority
    this.programId = programId
  }

  /** Atomically replaces the program of this filter. */
  replace(program: Program): TcFilter {
    const { handle, priority } = this
    return this.hook.attach(program, { handle, priority, replace: true })
  }

  /** Removes the filter. Closing it twice is fine, and so is closing one that was removed already. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.hook.detach(this.handle, this.priority)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The filter, any filter of its priority, the clsact qdisc or the interface does not exist. */
function isAbsent(errno: number): boolean {
  const { ENOENT, EINVAL, ENODEV } = constants.errno
  return errno === ENOENT || errno === EINVAL || errno === ENODEV
}

function whyNot({ errno, operation }: NativeError): string | undefined {
  const { EEXIST, EINVAL, ENOENT, ENODEV } = constants.errno
  if (errno === ENODEV) return 'no such interface'
  if (operation === 'bpf_tc_attach') {
    if (errno === EEXIST)
      return 'a filter with that handle and priority exists; set the option replace to replace it'
    if (errno === EINVAL || errno === ENOENT) return 'there is no clsact qdisc; call create() first'
  }
  if (operation === 'bpf_tc_hook_destroy' && (errno === EINVAL || errno === ENOENT))
    return 'there is no clsact qdisc'
  return undefined
}
