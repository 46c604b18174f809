// How each kind of probe is attached.
import type { PerfEventName } from '../attach/perf-event-attr.js'
import type { Link } from '../links/link.js'
import { foldersIn } from '../machine/read.js'
import type { Program } from '../programs/program.js'
import { TraceError } from './error.js'
import { accesses, type Probe } from './probes.js'
import type { SharedProgram } from './programs.js'

/** Attaches a program to its probes. */
export async function attach(
  program: Program,
  { word, probes, cookies }: SharedProgram,
  pid: number | undefined,
): Promise<Link[]> {
  if (word === 'kprobeMulti' || word === 'kretprobeMulti') {
    return [
      await program.attachKprobeMulti({
        symbols: probes.map(({ target }) => target),
        ...(cookies && { cookies }),
        retprobe: word === 'kretprobeMulti',
      }),
    ]
  }
  if (word === 'uprobeMulti' || word === 'uretprobeMulti') {
    const [{ target, symbol = '' }] = probes as [Probe]
    const retprobe = word === 'uretprobeMulti'
    return [
      await program.attachUprobeMulti(target, {
        pattern: symbol,
        ...(pid !== undefined && { pid }),
        retprobe,
      }),
    ]
  }
  const links: Link[] = []
  try {
    for (const [i, probe] of probes.entries()) links.push(...attachOne(program, probe, cookies?.[i], pid))
    return links
  } catch (error) {
    for (const link of links) link.close()
    throw error
  }
}

function attachOne(
  program: Program,
  probe: Probe,
  number: number | undefined,
  pid: number | undefined,
): Link[] {
  const { hook, target } = probe
  const cookie = number === undefined ? {} : { cookie: number }
  switch (hook) {
    case 'tracepoint': {
      const [category, event] = target.split('/') as [string, string]
      return [program.attachTracepoint(category, event, cookie)]
    }
    case 'rawTp':
      return [program.attachRawTracepoint(target, cookie)]
    case 'kprobe':
    case 'kretprobe':
      return [program.attachKprobe(target, { ...cookie, retprobe: hook === 'kretprobe' })]
    case 'uprobe':
    case 'uretprobe':
      return [
        program.attachUprobe(target, {
          ...placeIn(probe),
          ...cookie,
          ...(pid !== undefined && { pid }),
          retprobe: hook === 'uretprobe',
        }),
      ]
    case 'usdt': {
      const [provider, name] = probe.symbol!.split(':') as [string, string]
      return [program.attachUsdt(target, provider, name, pid === undefined ? {} : { pid })]
    }
    case 'profile':
      return program.attachPerfEventOnCpus({ event: 'cpu-clock', period: BigInt(target) })
    case 'interval':
      return [program.attachPerfEvent({ event: 'cpu-clock', period: BigInt(target), cpu: 0 })]
    case 'perf':
      return program.attachPerfEventOnCpus({ event: target as PerfEventName, period: BigInt(probe.symbol!) })
    case 'watchpoint':
      return watch(program, probe, pid)
    case 'iter':
      return [program.attachIter(pid === undefined ? {} : { pid })]
    case 'begin':
    case 'end':
      return []
    default:
      return [program.attach()]
  }
}

/** A watchpoint belongs to a thread or, if it is for memory of the kernel, to a CPU. */
function watch(program: Program, { name, target, symbol = '' }: Probe, pid: number | undefined): Link[] {
  const [length, mode = ''] = symbol.split(':')
  const event = { breakpoint: BigInt(target), on: accesses[mode]!, length: Number(length) as 1 | 2 | 4 | 8 }
  if (pid === undefined && event.breakpoint < 1n << 63n)
    throw new TraceError(`${name} is an address of a process: say which one, with pid`)
  if (pid === undefined) return program.attachPerfEventOnCpus({ event })
  const links: Link[] = []
  try {
    // Threads that start later inherit it.
    for (const thread of foldersIn(`/proc/${pid}/task`))
      links.push(program.attachPerfEvent({ event, pid: Number(thread), inherit: true }))
    return links
  } catch (error) {
    for (const link of links) link.close()
    throw error
  }
}

/** `main`, `main+4` or an offset in the file, `0x1234`. */
function placeIn({ symbol = '' }: Probe): { symbol?: string; offset?: number } {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(symbol)) return { offset: Number(symbol) }
  const [, name, offset] = /^(.+)\+(0x[0-9a-f]+|\d+)$/i.exec(symbol) ?? []
  return name === undefined ? { symbol } : { symbol: name, offset: Number(offset) }
}
