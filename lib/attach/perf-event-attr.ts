// What a perf event counts and where: turns the words of options into the numbers of struct perf_event_attr.
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { whyNoPerfEvent } from '../machine/perf-paranoid.js'
import { eventsFolder, whyNoTracefs, whyNoTracepoint } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { u64 } from './attachable.js'
import { pidNumber } from './binary.js'
import { withFd } from './file.js'

// The counters that have a name.
export const hardware = [
  'cpu-cycles',
  'instructions',
  'cache-references',
  'cache-misses',
  'branch-instructions',
  'branch-misses',
  'bus-cycles',
  'stalled-cycles-frontend',
  'stalled-cycles-backend',
  'ref-cpu-cycles',
] as const

export const software = [
  'cpu-clock',
  'task-clock',
  'page-faults',
  'context-switches',
  'cpu-migrations',
  'minor-faults',
  'major-faults',
  'alignment-faults',
  'emulation-faults',
  'dummy',
  'bpf-output',
  'cgroup-switches',
] as const

/** The events that have a name. Virtual machines often lack the hardware counters. */
export type PerfEventName = (typeof hardware)[number] | (typeof software)[number]

/** The numbers of `struct perf_event_attr`, as in /sys/bus/event_source/devices. */
export interface PerfEventNumbers {
  type: number
  config: bigint | number
  config1?: bigint | number
  config2?: bigint | number
}

export interface PerfTracepoint {
  /** 'sched/sched_switch', or the number in the file `id` of the tracepoint's folder in tracefs. */
  tracepoint: string | number
}

/**
 * A hardware breakpoint: the processor watches for accesses to an address of the process, or of the kernel without
 * `pid`. x86 has four of them, and cannot watch for reads alone.
 */
export interface PerfBreakpoint {
  /** The address. */
  breakpoint: bigint | number
  on: 'write' | 'read' | 'read-write' | 'execute'
  /** Bytes: 1, 2, 4 (the default) or 8, to which the address must be aligned. Unused for 'execute'. */
  length?: 1 | 2 | 4 | 8
}

/** What a perf event counts. */
export type PerfEventSource = PerfEventName | PerfEventNumbers | PerfTracepoint | PerfBreakpoint

/**
 * What is not counted: what happens in user space, in the kernel, in a hypervisor, in the idle task, on the host, or in
 * guests.
 */
export type PerfEventExclusion = 'user' | 'kernel' | 'hypervisor' | 'idle' | 'host' | 'guest'

const exclusions: Readonly<Record<PerfEventExclusion, number>> = {
  user: 5,
  kernel: 6,
  hypervisor: 7,
  idle: 8,
  host: 9,
  guest: 10,
}

/** What a perf event counts, and where. */
export interface PerfEventTarget {
  event: PerfEventSource
  /** Limits the event to this process; otherwise `cpu` is required. */
  pid?: number
  /** Limits the event to this CPU; otherwise `pid` is required. */
  cpu?: number
  /** Limits the event to the processes of this cgroup, by its folder or a descriptor of it. `cpu` is required then. */
  cgroup?: string | number
  /** Also counts in child processes that start later. */
  inherit?: boolean
  /** What is not counted. */
  exclude?: readonly PerfEventExclusion[]
  /** Keeps the counter on the processor all the time. If that is not possible, reading it fails with ENODATA. */
  pinned?: boolean
}

/** How often the event overflows, which is when a program runs. */
export interface PerfEventRate {
  /** Once per this number of events, or nanoseconds for the clocks. Give either `period` or `frequency`. */
  period?: bigint | number
  /** About this many times a second on each busy CPU. */
  frequency?: number
}

interface Numbers {
  type: number
  config: bigint
  config1: bigint
  config2: bigint
  breakpoint: number
}

const types = { hardware: 0, software: 1, tracepoint: 2, breakpoint: 5 } as const

/** HW_BREAKPOINT_* of linux/hw_breakpoint.h. */
const accesses = { read: 1, write: 2, 'read-write': 3, execute: 4 } as const

/** Opens the event. The descriptor is closed with `native.descriptorClose`. */
export function openPerfEvent(target: PerfEventTarget, rate: PerfEventRate, isDisabled: boolean): number {
  const { pid, cpu, cgroup } = target
  const numbers = numbersOf(target.event)
  const { type, config, config1, config2, breakpoint } = numbers
  const period = u64('period or frequency', rate.period ?? rate.frequency)
  const bits = bitsOf(target, rate, isDisabled)
  const open = (who: number, more: number): number =>
    native.perfEventOpen(type, config, config1, config2, breakpoint, period, bits | more, who, cpu ?? -1)
  if (cgroup === undefined) return open(pidNumber(pid), 0)
  return withFd(cgroup, 'open a perf event of a cgroup', (fd) => open(fd, 1 << 11))
}

/** Checks where the event counts. */
export function expectPlace({ pid, cpu, cgroup }: PerfEventTarget): void {
  if (cgroup !== undefined && (pid !== undefined || cpu === undefined))
    throw new TypeError('cgroup requires cpu, and cannot be combined with pid')
  if (pid === undefined && cpu === undefined)
    throw new TypeError('pid or cpu is required; attachPerfEventOnCpus() attaches to all CPUs')
  if (cpu !== undefined && (!Number.isInteger(cpu) || cpu < 0))
    throw new TypeError(`cpu is not a CPU number: ${cpu}`)
}

function bitsOf(
  { inherit, exclude = [], pinned }: PerfEventTarget,
  rate: PerfEventRate,
  isDisabled: boolean,
) {
  const flags = [rate.frequency !== undefined, inherit === true, isDisabled, pinned === true]
  let bits = flags.reduce((sum, on, i) => sum | (on ? 1 << i : 0), 0)
  for (const what of exclude) {
    if (!Object.hasOwn(exclusions, what))
      throw new TypeError(
        `exclude '${what}' does not exist; choose from ${Object.keys(exclusions).join(', ')}`,
      )
    bits |= 1 << exclusions[what]
  }
  return bits
}

export const isTracepoint = (event: unknown): boolean =>
  typeof event === 'object' && event !== null && 'tracepoint' in event

export const isBreakpoint = (event: unknown): boolean =>
  typeof event === 'object' && event !== null && 'breakpoint' in event

/** What an event is called in messages and links. */
export function nameOf(event: PerfEventSource): string {
  if (typeof event === 'string') return event
  if (typeof event !== 'object' || event === null)
    throw new TypeError(
      "event is not a name, such as 'cpu-clock', nor an object: { type, config }, { tracepoint } or { breakpoint }",
    )
  if ('tracepoint' in event) return String(event.tracepoint)
  if ('breakpoint' in event) return `breakpoint 0x${BigInt(event.breakpoint).toString(16)}`
  return `${event.type}:${event.config}`
}

function numbersOf(event: PerfEventSource): Numbers {
  const none = { config1: 0n, config2: 0n, breakpoint: 0 }
  if (typeof event === 'object' && event !== null) {
    if ('tracepoint' in event)
      return { ...none, type: types.tracepoint, config: BigInt(tracepointId(event.tracepoint)) }
    if ('breakpoint' in event) return breakpointNumbers(event)
  }
  if (typeof event !== 'string') {
    if (!Number.isInteger(event?.type))
      throw new TypeError('event must be a name, { type, config }, { tracepoint } or { breakpoint, on }')
    const { type, config, config1, config2 } = event
    return {
      type,
      config: u64('config', config),
      config1: u64('config1', config1),
      config2: u64('config2', config2),
      breakpoint: 0,
    }
  }
  for (const [type, names] of [hardware, software].entries()) {
    const config = (names as readonly string[]).indexOf(event)
    if (config >= 0) return { ...none, type, config: BigInt(config) }
  }
  throw new TypeError(
    `perf event '${event}' does not exist; choose from ${[...hardware, ...software].join(', ')}`,
  )
}

function breakpointNumbers(event: PerfBreakpoint): Numbers {
  const { on, length = 4 } = event
  const address = u64('breakpoint', event.breakpoint)
  if (!Object.hasOwn(accesses, on))
    throw new TypeError(`on '${on}' does not exist; choose from ${Object.keys(accesses).join(', ')}`)
  if (![1, 2, 4, 8].includes(length)) throw new RangeError(`length is 1, 2, 4 or 8 bytes, not ${length}`)
  // The kernel asks for the size of a long where code is executed.
  const bytes = on === 'execute' ? 8 : length
  if (on !== 'execute' && address % BigInt(length) !== 0n)
    throw new RangeError(
      `breakpoint 0x${address.toString(16)} is not aligned to its length of ${length} bytes`,
    )
  return {
    type: types.breakpoint,
    config: 0n,
    config1: address,
    config2: BigInt(bytes),
    breakpoint: accesses[on],
  }
}

/** The number of a tracepoint, from its name in tracefs. */
function tracepointId(tracepoint: string | number): number {
  if (typeof tracepoint === 'number') return tracepoint
  const [, category, name] = /^([\w-]+)[/:]([\w-]+)$/.exec(tracepoint) ?? []
  if (category === undefined || name === undefined)
    throw new TypeError(`tracepoint '${tracepoint}' is not of the form 'category/name'`)
  try {
    return Number(readFileSync(`${eventsFolder()}/${category}/${name}/id`, 'latin1'))
  } catch (cause) {
    const why = whyNoTracepoint(category, name) ?? whyNoTracefs() ?? (cause as Error).message
    throw new TypeError(`tracepoint '${tracepoint}': ${why}`, { cause })
  }
}

/** Why an event cannot be opened. */
export function whyNoEvent({ errno, operation }: NativeError, event: PerfEventSource): string | undefined {
  if (operation !== 'perf_event_open') return undefined
  const { EACCES, EBADF, EINVAL, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, ESRCH } = constants.errno
  const isHardware =
    (hardware as readonly unknown[]).includes(event) ||
    (typeof event === 'object' && 'type' in event && event.type === types.hardware)
  if (errno === ESRCH) return 'no such process'
  if (errno === EACCES) return whyNoPerfEvent()
  if (errno === EBADF) return 'it is not a folder of a cgroup v2 file system'
  if (isBreakpoint(event) && errno === ENOSPC)
    return 'all breakpoints of the processor are in use; x86 has four'
  if (isBreakpoint(event) && (errno === EINVAL || errno === EOPNOTSUPP))
    return 'the processor cannot watch for such an access'
  if (errno === ENOENT || errno === EOPNOTSUPP) {
    return isHardware
      ? "this machine has no such hardware counter (virtual machines often have none); 'cpu-clock' always exists"
      : 'this kernel does not know the event, or it cannot be limited like this'
  }
  return errno === ENODEV ? 'no such CPU, or it is offline' : undefined
}
