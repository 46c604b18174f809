import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { onlineCpus } from '../machine/cpus.js'
import { native } from '../native/binding.js'
import { attachTo, type Hook, u64 } from './attachable.js'
import { unreadable } from './file.js'
import {
  expectPlace,
  isBreakpoint,
  isTracepoint,
  nameOf,
  openPerfEvent,
  type PerfEventRate,
  type PerfEventTarget,
  whyNoEvent,
} from './perf-event-attr.js'

export interface PerfEventOptions extends PerfEventTarget, PerfEventRate {
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
}

/** An event that is open already. */
export interface OpenPerfEvent {
  /** A {@link PerfEvent}, or its descriptor or that of another process; the link uses a duplicate of it. */
  fd: number
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
}

export function attachPerfEvent(program: Attachable, options: PerfEventOptions | OpenPerfEvent): Link {
  if ('fd' in options) return attachOpen(program, options)
  const { period, frequency, pid, cpu, cgroup, event } = options
  if (period !== undefined && frequency !== undefined)
    throw new TypeError('either period or frequency is required, not both')
  if (period === undefined && frequency === undefined && !isTracepoint(event) && !isBreakpoint(event))
    throw new TypeError('either period or frequency is required')
  expectPlace(options)
  // A breakpoint is an event that should not be missed. Tracepoints run their programs each time anyway.
  const rate = period === undefined && frequency === undefined ? { period: 1n } : options
  if (u64('period or frequency', rate.period ?? options.frequency) === 0n)
    throw new RangeError('period or frequency is 0')
  const cookie = u64('cookie', options.cookie)
  const name = nameOf(event)
  const where = [
    cpu === undefined ? '' : ` on CPU ${cpu}`,
    pid === undefined ? '' : ` of process ${pid}`,
    cgroup === undefined ? '' : ` of cgroup ${cgroup}`,
  ]
  const hook: Hook = {
    what: `perf event '${name}'${where.join('')}`,
    target: name,
    reason: (error) => whyNoEvent(error, event) ?? whyNotAttached(error),
  }
  return attachTo(program, hook, () => {
    const fd = openPerfEvent(options, rate, false)
    try {
      return native.programAttachPerfEvent(program.handle, fd, cookie)
    } finally {
      native.descriptorClose(fd)
    }
  })
}

function attachOpen(program: Attachable, { fd, ...options }: OpenPerfEvent): Link {
  if (!Number.isInteger(fd) || fd < 0) throw new TypeError(`fd is not a descriptor: ${fd}`)
  const cookie = u64('cookie', options.cookie)
  const hook: Hook = { what: `the perf event of fd ${fd}`, target: `fd ${fd}`, reason: whyNotAttached }
  return attachTo(program, hook, () => native.programAttachPerfEvent(program.handle, fd, cookie))
}

function whyNotAttached({ errno, operation }: NativeError): string | undefined {
  if (operation !== 'bpf_program__attach_perf_event_opts') return undefined
  const { EEXIST, EINVAL } = constants.errno
  if (errno === EEXIST) return 'the event has a program already'
  return errno === EINVAL
    ? 'it is not a perf event, it has no period or frequency, or it is for programs of another type: tracepoint programs for tracepoints, perf_event programs for counters, clocks and breakpoints'
    : undefined
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
