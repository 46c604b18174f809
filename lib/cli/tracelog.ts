import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { BpfError } from '../errors/errors.js'
import { tracePipe } from '../events/trace-pipe.js'
import { type Command, exitCodes, Failed, say, visible } from './command.js'
import { expectNoMore, holderNames, parseOptions, print, toJson } from './output.js'

const options = { json: { type: 'boolean' } } as const

export const command: Command = {
  usage: '[--json]',
  summary: 'Print what BPF programs write with bpf_printk, live',
  help: `Prints the lines of all programs on the machine until you press Ctrl-C.

      --json  print one JSON object per line

The kernel hands out each line once. Since Linux 6.6 it allows only one reader at a time; before, several readers each get
a part of the lines. Requires tracefs, and root or a group that may read it.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const others = otherReaders()
    if (others.length > 0)
      say(`libbpf-node tracelog: ${holderNames(others)} is reading, too: each line goes to one of you`)
    try {
      for await (const line of tracePipe({ signal: stop.signal })) {
        print(values.json ? `${toJson(parse(line))}\n` : `${visible(line)}\n`)
      }
    } catch (error) {
      if (!(error instanceof BpfError) || error.code !== 'EBUSY') throw error
      const reader = holderNames(otherReaders()) || 'another process'
      throw new Failed(
        `the trace pipe is being read by ${reader}, and the kernel allows one reader at a time (EBUSY)`,
      )
    }
    return exitCodes.ok
  },
}

/** The other processes that have opened the trace pipe, as far as this process can see. */
function otherReaders(): { pid: number; comm: string }[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.flatMap((pid) => {
    try {
      const isReader = readdirSync(`/proc/${pid}/fd`).some((fd) => isTracePipe(`/proc/${pid}/fd/${fd}`))
      return isReader ? [{ pid: Number(pid), comm: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() }] : []
    } catch {
      // The process has ended, or may not be examined.
      return []
    }
  })
}

function isTracePipe(fd: string): boolean {
  try {
    return readlinkSync(fd).endsWith('/trace_pipe')
  } catch {
    return false
  }
}

/** Takes `cat-17 [001] d..2. 12.345678: bpf_trace_printk: hello` apart. Other lines stay whole. */
export function parse(line: string): Record<string, unknown> {
  const [, comm, pid, cpu, seconds, text] =
    /^\s*(.*?)-(\d+)\s+(?:\(.*?\)\s+)?\[(\d+)\]\s+\S+\s+([\d.]+): bpf_trace_printk: (.*)$/s.exec(line) ?? []
  if (text === undefined) return { line }
  return { comm, pid: Number(pid), cpu: Number(cpu), seconds: Number(seconds), text }
}
