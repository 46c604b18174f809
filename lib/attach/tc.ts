import { constants } from 'node:os'
import type { TcFilter as Filter, NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import { type Interface, interfaceIndex } from './interface.js'

/** Packets that come, that go, or those of a class, by its number (`major << 16 | minor`). */
export type TcPoint = 'ingress' | 'egress' | { readonly parent: number }

export interface TcOptions {
  /** The filter's number among those of its priority; the kernel chooses by default. */
  handle?: number
  /** Lower ones run first: 1 to 65535; the kernel chooses by default. */
  priority?: number
  /** Takes the place of the filter with this `handle` and `priority`, atomically. */
  replace?: boolean
}

const points = { ingress: 1, egress: 2, both: 3 } as const

/**
 * The clsact qdisc of an interface: where classifiers of traffic control hang. Kernels since 6.6 have TCX, which needs none and has links:
 * {@link Program.attachTcx}.
 */
export class TcHook {
  readonly interface: Interface
  readonly point: TcPoint
  readonly #ifindex: number
  readonly #point: number
  readonly #parent: number

  constructor(on: Interface, point: TcPoint) {
    const isPoint = point === 'ingress' || point === 'egress' || Number.isInteger(point?.parent)
    if (!isPoint) throw new TypeError(`point is none of 'ingress', 'egress' and { parent }`)
    this.interface = on
    this.point = point
    this.#ifindex = interfaceIndex(on)
    this.#point = typeof point === 'string' ? points[point] : 4
    this.#parent = typeof point === 'string' ? 0 : point.parent
  }

  /** Makes the clsact qdisc, for both directions. (`bpf_tc_hook_create`, Linux 4.5) @returns false where it is there already */
  create(): boolean {
    try {
      this.#do('make the clsact qdisc', () => native.tcHookCreate(this.#ifindex, points.both, 0))
      return true
    } catch (error) {
      if (error instanceof BpfError && error.errno === constants.errno.EEXIST) return false
      throw error
    }
  }

  /** Takes all filters off, whoever attached them. (`bpf_tc_hook_destroy`) */
  flush(): void {
    this.#do('take off all filters', () => native.tcHookDestroy(this.#ifindex, this.#point, this.#parent))
  }

  /** Removes the clsact qdisc, and with it the filters of both directions. (`bpf_tc_hook_destroy`) */
  destroy(): void {
    this.#do('remove the clsact qdisc', () => native.tcHookDestroy(this.#ifindex, points.both, 0))
  }

  /** (`bpf_tc_attach`) The filter stays when the process ends. */
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

  /** The filter with this number and priority; `undefined` where there is none. (`bpf_tc_query`) */
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

  /** Takes one filter off. (`bpf_tc_detach`) @returns false where there is none */
  detach(handle: number, priority: number): boolean {
    try {
      this.#do('take off a filter', () =>
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

/** A classifier on a {@link TcHook}. It's no link: it stays until it's closed, also when the process has ended. */
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

  /** Puts another program in its place, atomically. */
  replace(program: Program): TcFilter {
    const { handle, priority } = this
    return this.hook.attach(program, { handle, priority, replace: true })
  }

  /** Takes it off. Closing twice is fine, and so is one that is gone. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.hook.detach(this.handle, this.priority)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** No such filter, no filters of that priority, no clsact qdisc, no interface. */
function isAbsent(errno: number): boolean {
  const { ENOENT, EINVAL, ENODEV } = constants.errno
  return errno === ENOENT || errno === EINVAL || errno === ENODEV
}

function whyNot({ errno, operation }: NativeError): string | undefined {
  const { EEXIST, EINVAL, ENOENT, ENODEV } = constants.errno
  if (errno === ENODEV) return 'no such interface'
  if (operation === 'bpf_tc_attach') {
    if (errno === EEXIST)
      return 'a filter with that handle and priority is there; the option replace takes its place'
    if (errno === EINVAL || errno === ENOENT) return 'there is no clsact qdisc; create() makes it'
  }
  if (operation === 'bpf_tc_hook_destroy' && (errno === EINVAL || errno === ENOENT))
    return 'there is no clsact qdisc'
  return undefined
}
