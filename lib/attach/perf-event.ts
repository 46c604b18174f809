import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { onlineCpus } from '../machine/cpus.js'
import { whyNoPerfEvent } from '../machine/perf-paranoid.js'
import { native } from '../native/binding.js'
import { attachTo, u64 } from './attachable.js'
import { pidNumber } from './binary.js'
import { unreadable } from './file.js'

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

export interface PerfEventOptions {
  /** The event: a name, or `type` and `config` of `struct perf_event_attr`. */
  event: PerfEventName | { type: number; config: bigint | number }
  /**
   * Runs the program once per this number of events, or nanoseconds for the clocks. Give either `period` or
   * `frequency`.
   */
  period?: bigint | number
  /** Runs the program about this many times a second on each busy CPU. */
  frequency?: number
  /** Limits the event to this process; otherwise `cpu` is required. */
  pid?: number
  /** Limits the event to this CPU; otherwise `pid` is required. */
  cpu?: number
  /** Also counts in child processes that start later. */
  inherit?: boolean
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
}

export function attachPerfEvent(program: Attachable, options: PerfEventOptions): Link {
  const { period, frequency, pid, cpu, inherit = false } = options
  const { type, config } = eventNumbers(options.event)
  if ((period === undefined) === (frequency === undefined)) {
    throw new TypeError('either period or frequency is required')
  }
  if (pid === undefined && cpu === undefined) {
    throw new TypeError('pid or cpu is required; attachPerfEventOnCpus() attaches to all CPUs')
  }
  if (cpu !== undefined && (!Number.isInteger(cpu) || cpu < 0))
    throw new TypeError(`cpu is not a CPU number: ${cpu}`)
  const every = u64('period or frequency', period ?? frequency)
  if (every === 0n) throw new RangeError('period or frequency is 0')
  const cookie = u64('cookie', options.cookie)
  const name = typeof options.event === 'string' ? options.event : `${type}:${config}`
  const where = `${cpu === undefined ? '' : ` on CPU ${cpu}`}${pid === undefined ? '' : ` of process ${pid}`}`
  const hook = {
    what: `perf event '${name}'${where}`,
    target: name,
    reason: (error: NativeError) => whyNoEvent(error, type),
  }
  return attachTo(program, hook, () =>
    native.programAttachPerfEvent(
      program.handle,
      type,
      config,
      every,
      frequency !== undefined,
      inherit,
      pidNumber(pid),
      cpu ?? -1,
      cookie,
    ),
  )
}

export function attachPerfEventOnCpus(
  program: Attachable,
  options: Omit<PerfEventOptions, 'cpu'>,
  cpus: Iterable<number> = allCpus(program),
): Link[] {
  const links: Link[] = []
  try {
    for (const cpu of cpus) links.push(attachPerfEvent(program, { ...options, cpu }))
  } catch (error) {
    for (const link of links) link.close()
    throw error
  }
  return links
}

function allCpus(program: Attachable): number[] {
  try {
    return onlineCpus()
  } catch (cause) {
    const what = `attach program '${program.name}' to a perf event on all CPUs`
    throw unreadable(what, '/sys/devices/system/cpu/online', cause)
  }
}

function eventNumbers(event: PerfEventOptions['event']): { type: number; config: bigint } {
  if (typeof event !== 'string' && !Number.isInteger(event?.type)) {
    throw new TypeError('event must be a name or { type, config }')
  }
  if (typeof event !== 'string') return { type: event.type, config: u64('config', event.config) }
  for (const [type, names] of [hardware, software].entries()) {
    const config = (names as readonly string[]).indexOf(event)
    if (config >= 0) return { type, config: BigInt(config) }
  }
  throw new TypeError(
    `perf event '${event}' does not exist; choose from ${[...hardware, ...software].join(', ')}`,
  )
}

function whyNoEvent({ errno, operation }: NativeError, type: number): string | undefined {
  if (operation !== 'perf_event_open') return undefined
  const { ENOENT, ENODEV, EOPNOTSUPP, ESRCH, EACCES } = constants.errno
  if (errno === ESRCH) return 'no such process'
  if (errno === EACCES) return whyNoPerfEvent()
  if (errno === ENOENT || errno === EOPNOTSUPP) {
    return type === 0
      ? "this machine has no such hardware counter (virtual machines often have none); 'cpu-clock' always exists"
      : 'this kernel does not know the event'
  }
  return errno === ENODEV ? 'no such CPU, or it is offline' : undefined
}
