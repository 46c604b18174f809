import { tracePipe } from '../events/trace-pipe.js'
import { type Command, exitCodes, visible } from './command.js'
import { expectNoMore, parseOptions, print } from './output.js'

const options = { json: { type: 'boolean' } } as const

export const command: Command = {
  usage: '[--json]',
  summary: 'What programs print with bpf_printk, as it comes',
  help: `Lines of all programs, until Ctrl-C. A line goes to one reader only: others see what this one does not.

      --json  for programs: one object a line

Needs tracefs, and root or a group that may read it.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    for await (const line of tracePipe({ signal: stop.signal })) {
      print(values.json ? `${JSON.stringify(parse(line))}\n` : `${visible(line)}\n`)
    }
    return exitCodes.ok
  },
}

/** `cat-17 [001] d..2. 12.345678: bpf_trace_printk: hello`; what looks otherwise is only a line. */
export function parse(line: string): Record<string, unknown> {
  const [, comm, pid, cpu, seconds, text] =
    /^\s*(.*?)-(\d+)\s+(?:\(.*?\)\s+)?\[(\d+)\]\s+\S+\s+([\d.]+): bpf_trace_printk: (.*)$/s.exec(line) ?? []
  if (text === undefined) return { line }
  return { comm, pid: Number(pid), cpu: Number(cpu), seconds: Number(seconds), text }
}
