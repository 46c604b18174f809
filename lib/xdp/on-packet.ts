import { constants } from 'node:os'
import type { Anchor } from '../attach/anchor.js'
import { type Interface, interfaceIndex } from '../attach/interface.js'
import { queryNetkit, queryTcx } from '../attach/query.js'
import { TcHook } from '../attach/tc.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import type { Program } from '../programs/program.js'
import { type OnXdpOptions, onXdp, type XdpPacketHook } from './on-xdp.js'

export interface OnPacketOptions {
  /** Programs with lower priorities run first: 1 to 65535, 100 by default. */
  priority?: number
  /** Uses only this kind of hook, or fails; by default the first of `netkit`, `tcx` and `clsact` that is available. */
  kind?: 'netkit' | 'tcx' | 'clsact'
}

/** A program that gets the packets of an interface, see {@link onPacket}. */
export interface PacketHook extends Disposable {
  readonly interface: Interface
  readonly direction: 'ingress' | 'egress'
  readonly priority: number
  /** What the program is attached to: the best that the kernel has for this interface. */
  readonly kind: 'tcx' | 'netkit' | 'clsact'
  /** The ids of all programs that run there, including those of others, in the order in which they run. */
  order(): number[]
  /** Detaches the program. You can close it twice. */
  close(): void
}

const sides = { ingress: 'peer', egress: 'primary' } as const
/** TC_H_CLSACT with TC_H_MIN_INGRESS and TC_H_MIN_EGRESS. */
const parents = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const

const kinds = ['netkit', 'tcx', 'clsact', 'xdp']

/** What this thread has attached, by interface and direction, in the order in which it runs. */
const attached = new Map<string, { priority: number; link: Link }[]>()
/** Interfaces whose clsact qdisc this thread has created, with the number of our filters there. */
const created = new Map<number, number>()

/**
 * Attaches a program of the type `sched_cls` (SEC("tc") or SEC("tcx/...")) to the packets that an interface receives or
 * sends, in the best way that the kernel has: TCX (Linux 6.6), the hooks of a netkit device (6.7), or a filter of a
 * clsact qdisc. Where there is no such qdisc, it is created, and removed with our last filter, unless others use it by
 * then.
 *
 * The program should return TCX_NEXT (-1) for packets that it leaves to the programs after it; every other value is
 * final. Programs of this thread run in the order of their priorities. With clsact, programs of others are ordered by
 * their priorities, too. TCX and netkit have no priorities, so our programs come after those that are already there,
 * unless one of ours with a higher priority is among them.
 *
 * @throws TypeError if the program is not of that type
 * @throws BpfError EEXIST if clsact has a filter of ours with that priority
 */
export function onPacket(
  on: Interface,
  direction: 'ingress' | 'egress',
  program: Program,
  options?: OnPacketOptions,
): PacketHook
/**
 * Adds an XDP program to those of an interface by an {@link XdpDispatcher}: it gets packets before the kernel's network
 * stack does. Do not load the program's object; see {@link XdpDispatcher.attach}, also for what it throws. The program
 * stays attached after the process ends, unless you close the hook.
 */
export function onPacket(
  on: Interface,
  direction: 'ingress',
  program: Program,
  options: OnXdpOptions,
): Promise<XdpPacketHook>
export function onPacket(
  on: Interface,
  direction: 'ingress' | 'egress',
  program: Program,
  options: OnPacketOptions | OnXdpOptions = {},
): PacketHook | Promise<XdpPacketHook> {
  const { priority = 100 } = options
  if (direction !== 'ingress' && direction !== 'egress')
    throw new TypeError(`direction is not 'ingress' or 'egress'`)
  if (!Number.isInteger(priority)) throw new TypeError('priority is not a whole number')
  if (priority < 1 || priority > 0xffff) throw new RangeError('priority is not between 1 and 65535')
  if (options.kind !== undefined && !kinds.includes(options.kind))
    throw new TypeError(`kind is not one of ${kinds.join(', ')}`)
  if (options.kind === 'xdp') {
    if (direction === 'egress') throw new TypeError('XDP only gets packets that an interface receives')
    return onXdp(on, program, options)
  }
  if (typeof program?.type !== 'string') throw new TypeError('program is not a Program')
  if (program.type !== 'sched_cls')
    throw new TypeError(
      `program '${program.name}' is of the type ${program.type}, not sched_cls: write SEC("tc") or SEC("tcx/${direction}")`,
    )
  const { kind } = options
  const ifindex = interfaceIndex(on)
  const common = { interface: on, direction, priority }
  const side = sides[direction]
  const netkit = (): PacketHook => {
    const link = withPriority(ifindex, 'netkit', direction, priority, (anchor) =>
      program.attachNetkit(on, { side, anchor }),
    )
    return hookOf({ ...common, kind: 'netkit' }, link, () => idsOf(queryNetkit(on, side)))
  }
  const tcx = (): PacketHook => {
    const link = withPriority(ifindex, 'tcx', direction, priority, (anchor) =>
      program.attachTcx(on, { direction, anchor }),
    )
    return hookOf({ ...common, kind: 'tcx' }, link, () => idsOf(queryTcx(on, direction)))
  }
  const clsact = (): PacketHook => {
    const filter = attachFilter(on, ifindex, direction, program, priority)
    return hookOf({ ...common, kind: 'clsact' }, filter, () => filtersOf(ifindex, direction))
  }
  if (kind !== undefined) return { netkit, tcx, clsact }[kind]()
  const best = kernelIsOlderThan('6.6')
    ? undefined
    : ((kernelIsOlderThan('6.7') ? undefined : tryOthers(netkit)) ?? tryOthers(tcx))
  return best ?? clsact()
}

type Described = Pick<PacketHook, 'interface' | 'direction' | 'priority' | 'kind'>

function hookOf(described: Described, closable: { close(): void }, order: () => number[]): PacketHook {
  const close = (): void => closable.close()
  return Object.freeze({ ...described, order, close, [Symbol.dispose]: close })
}

const idsOf = ({ programs }: { programs: { programId: number }[] }): number[] =>
  programs.map(({ programId }) => programId)

/** `undefined` if the interface has no such hook. */
function tryOthers<T>(attach: () => T): T | undefined {
  try {
    return attach()
  } catch (error) {
    const { EINVAL, ENXIO, ENODEV, EOPNOTSUPP } = constants.errno
    if (error instanceof BpfError && [EINVAL, ENXIO, ENODEV, EOPNOTSUPP].includes(error.errno))
      return undefined
    throw error
  }
}

/** Attaches before the first of our programs that has a higher priority. */
function withPriority(
  ifindex: number,
  kind: string,
  direction: string,
  priority: number,
  attach: (anchor: Anchor) => Link,
): { close(): void } {
  const key = `${kind} ${ifindex} ${direction}`
  // Links are also closed with the object of their program.
  const list = (attached.get(key) ?? []).filter((other) => !other.link.closed)
  const place = list.findIndex((other) => other.priority > priority)
  const link = attach(place < 0 ? 'last' : { before: list[place]!.link })
  const entry = { priority, link }
  list.splice(place < 0 ? list.length : place, 0, entry)
  attached.set(key, list)
  return {
    close() {
      link.close()
      const left = (attached.get(key) ?? []).filter((other) => other !== entry)
      if (left.length > 0) attached.set(key, left)
      else attached.delete(key)
    },
  }
}

function filtersOf(ifindex: number, direction: 'ingress' | 'egress'): number[] {
  return attempt({ what: `list the ${direction} filters of interface ${ifindex}` }, () =>
    native.tcFilters(ifindex, parents[direction]),
  ).map(({ programId }) => programId)
}

function attachFilter(
  on: Interface,
  ifindex: number,
  direction: 'ingress' | 'egress',
  program: Program,
  priority: number,
): { close(): void } {
  const hook = new TcHook(on, direction)
  if (hook.create()) created.set(ifindex, 0)
  let isOurs = created.has(ifindex)
  const leave = (): void => {
    if (!isOurs) return
    isOurs = false
    const left = created.get(ifindex)! - 1
    if (left > 0) {
      created.set(ifindex, left)
      return
    }
    created.delete(ifindex)
    // Others may have attached theirs in the meantime, or deleted the interface.
    const isEmpty = tryOthers(
      () => filtersOf(ifindex, 'ingress').length + filtersOf(ifindex, 'egress').length === 0,
    )
    if (isEmpty) tryOthers(() => hook.destroy())
  }
  if (isOurs) created.set(ifindex, created.get(ifindex)! + 1)
  try {
    const filter = hook.attach(program, { priority, handle: 1 })
    return {
      close() {
        filter.close()
        leave()
      },
    }
  } catch (error) {
    leave()
    throw error
  }
}
