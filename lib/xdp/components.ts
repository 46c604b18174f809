// What the ways to run several XDP programs on one interface have in common.
import { rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Interface } from '../attach/interface.js'
import { queryXdp } from '../attach/xdp.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import type { Program } from '../programs/program.js'

/** What an XDP program decides. */
export type XdpAction = 'aborted' | 'drop' | 'pass' | 'tx' | 'redirect'

/** In the order of their numbers. */
export const xdpActions: readonly XdpAction[] = ['aborted', 'drop', 'pass', 'tx', 'redirect']

/** The bits of these actions, without those of other return values. */
export const actionBits = (bits: number): number => bits & ((1 << xdpActions.length) - 1)

/** The most programs of an interface. */
export const mostPrograms = 10

export const BPF_F_XDP_HAS_FRAGS = 1 << 5

/** The interface, and the folder in the BPF file system for all interfaces. */
export interface Place {
  interface: Interface
  ifindex: number
  folder: string
}

/** How programs are called: by replaced functions of a dispatcher, or by tail calls. */
export type Method = 'freplace' | 'tail-calls'

/** The names that folders of a method begin with; libxdp's for its own. */
const folders: Record<Method, string> = { freplace: 'dispatch', 'tail-calls': 'chain' }

/** The folder with the pins of a program that calls others. */
export const pinFolder = ({ folder, ifindex }: Place, method: Method, id: number): string =>
  join(folder, `${folders[method]}-${ifindex}-${id}`)

/** Removes a folder with pins. What is gone already was removed by someone else. */
export function unpin(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** How and when a program runs. */
export interface Slot {
  priority: number
  /** A bit for each return value after which the next program runs. */
  actions: number
  /** BPF_F_XDP_HAS_FRAGS, if the program is meant for packets of several pieces. */
  flags: number
}

/** One of the programs that run on an interface, or is to do so. */
export interface Component {
  program: Program
  name: string
  slot: Slot
  /** Prepares or loads the object of the program; missing if it is in the kernel already. */
  prepare?: () => Promise<void>
  load?: () => Promise<void>
}

/** Programs with lower priorities run first, as libxdp orders them. */
export function inOrder(a: Component, b: Component): number {
  if (a.slot.priority !== b.slot.priority) return a.slot.priority - b.slot.priority
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  // Those that are loaded come first.
  return Number(a.load !== undefined) - Number(b.load !== undefined)
}

export type DriverMode = 'native' | 'generic'
const flags: Record<DriverMode, number> = { generic: 1 << 1, native: 1 << 2 }

/** The program that the interface runs itself, as opposed to its card. */
export function mainProgram(ifindex: number): { id: number; mode: DriverMode } | undefined {
  const { nativeProgramId, genericProgramId } = stateOf(ifindex)
  if (nativeProgramId !== 0) return { id: nativeProgramId, mode: 'native' }
  return genericProgramId === 0 ? undefined : { id: genericProgramId, mode: 'generic' }
}

/** The state of an interface. One that was deleted counts as one without programs. */
function stateOf(ifindex: number): { nativeProgramId: number; genericProgramId: number } {
  try {
    return queryXdp(ifindex)
  } catch (error) {
    if (error instanceof BpfError && error.code === 'ENODEV')
      return { nativeProgramId: 0, genericProgramId: 0 }
    throw error
  }
}

/**
 * Attaches a program, or none, provided that the interface still has the expected one, or none. Without a mode, native
 * is tried first. Returns false if the interface has another program by now.
 */
export function swap(
  { interface: on, ifindex }: Place,
  program: Program | undefined,
  expected: Program | undefined,
  mode: DriverMode | undefined,
): boolean {
  const { EBUSY, EEXIST, EOPNOTSUPP } = constants.errno
  const attach = (as: DriverMode): void =>
    attempt(
      {
        what: `attach the dispatcher of '${on}' (${as})`,
        target: String(on),
        capabilities: () => ['CAP_NET_ADMIN'],
        reason: ({ errno }) =>
          errno === EBUSY ? 'it was attached with a link, which only its owner can update' : undefined,
      },
      () => native.xdpReplace(ifindex, program?.fd ?? -1, expected?.fd ?? -1, flags[as]),
    )
  try {
    try {
      attach(mode ?? 'native')
    } catch (error) {
      if (mode !== undefined || !(error instanceof BpfError) || error.errno !== EOPNOTSUPP) throw error
      attach('generic')
    }
    return true
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    // EBUSY if there was to be no program.
    if (error.errno === EEXIST || (error.errno === EBUSY && expected === undefined)) return false
    throw error
  }
}

export function dispatcherError({ interface: on }: Place, is: string, code: string): BpfError {
  const errno = constants.errno[code as keyof typeof constants.errno]
  return new BpfError(`dispatcher of '${on}': ${is} (${code})`, { code, errno, target: String(on) })
}
