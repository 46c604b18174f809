// Kretprobes with a chosen limit. The kernel notes where calls return to, for a limited number of calls at a time. Only
// tracefs lets you choose that number, so the probe is an event there, which the link owns.
import { closeSync, constants, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { constants as os } from 'node:os'
import type { LinkHandle, NativeError, ProgramHandle } from '../../types/binding.js'
import { hasKprobes, whyNoProbe } from '../machine/kallsyms.js'
import { eventsFolder, whyNoTracefs } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { openPerfEvent } from './perf-event-attr.js'

const group = 'libbpf_node'

/** KRETPROBE_MAXACTIVE_MAX of the kernel. */
const most = 4096

export function expectMaxActive(maxActive: unknown): asserts maxActive is number {
  if (!Number.isInteger(maxActive)) throw new TypeError('maxActive is not an integer')
  if ((maxActive as number) < 1 || (maxActive as number) > most)
    throw new RangeError(`maxActive is not between 1 and ${most}: ${maxActive}`)
}

/** @throws NativeError if tracefs refuses the probe */
export function attachKretprobe(
  program: ProgramHandle,
  symbol: string,
  maxActive: number,
  cookie: bigint,
): LinkHandle {
  const events = eventsFolder()
  if (events === undefined || !hasKprobes()) throw refused(os.errno.ENOENT, 'open')
  const file = `${events}/../kprobe_events`
  removeForgotten(file)
  const name = `${group}/r_${pidNamespace()}_${process.pid}_${Math.random().toString(36).slice(2)}`
  writeTo(file, `r${maxActive}:${name} ${symbol}`)
  try {
    const tracepoint = Number(readFileSync(`${events}/${name}/id`, 'latin1'))
    // The event is opened on one CPU, but the program runs on all of them.
    const fd = openPerfEvent({ event: { tracepoint }, cpu: 0 }, {}, false)
    try {
      const link = native.programAttachPerfEvent(program, fd, cookie)
      native.linkOwnProbe(link, file, `-:${name}`)
      return link
    } finally {
      native.descriptorClose(fd)
    }
  } catch (error) {
    writeTo(file, `-:${name}`)
    throw error
  }
}

export function whyNoKretprobe({ operation }: NativeError, symbol: string): string | undefined {
  if (operation === 'open' && hasKprobes())
    return whyNoTracefs() ?? 'this process may not change kprobe_events in tracefs: run it as root'
  return operation === 'write' || operation === 'open' ? whyNoProbe(symbol) : undefined
}

/** Removes the probes of processes that were killed. The kernel keeps those that a pinned link uses. */
function removeForgotten(file: string): void {
  const ours = new RegExp(`^r\\d*:(${group}/r_${pidNamespace()}_(\\d+)_\\w+) `, 'gm')
  for (const [, name, pid] of textOf(file).matchAll(ours)) {
    if (isRunning(Number(pid))) continue
    try {
      writeTo(file, `-:${name}`)
    } catch {
      // It is in use, or another process was faster.
    }
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    throw refused(errnoOf(error), 'open')
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Processes in different containers can have the same ids, and see the same tracefs. */
const pidNamespace = (): string => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'

/** Opens the file for appending: opening it in any other way would remove everybody's probes. */
function writeTo(file: string, line: string): void {
  let operation = 'open'
  let fd: number | undefined
  try {
    fd = openSync(file, constants.O_WRONLY | constants.O_APPEND)
    operation = 'write'
    writeSync(fd, line)
  } catch (error) {
    throw refused(errnoOf(error), operation)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

const errnoOf = (error: unknown): number => Math.abs((error as NodeJS.ErrnoException).errno ?? 0)

const refused = (errno: number, operation: string): NativeError =>
  Object.assign(new Error(`${operation} kprobe_events`), { errno, operation, log: '' })
