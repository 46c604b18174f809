import { Aggregate } from '../trace/aggregate.js'
import { Trace } from '../trace/events.js'
import { Histogram } from '../trace/histogram.js'
import { Stacks } from '../trace/stacks.js'
import * as words from '../trace.js'
import { type Command, exitCodes, Failed, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { follow, numberOf, printEvent, questionOptions, show } from './questions.js'

export const command: Command = {
  usage: "-e 'TYPESCRIPT' [--seconds SECONDS] [--json]",
  summary: 'Ask the kernel a question in one line of JavaScript',
  help: `Runs the line with everything that 'libbpf-node/trace' exports, and shows its value: live on a terminal, and
once at the end in a pipe.

  -e, --eval LINE           for example: count('raw_syscalls:sys_enter', { by: (r) => r.comm })
  -s, --seconds SECONDS     stop after this time; otherwise Ctrl-C stops
  -i, --interval SECONDS    show an answer that often
      --json                print JSON

Requires root, and the kernel's BTF.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, {
      eval: { type: 'string', short: 'e' },
      seconds: questionOptions.seconds,
      interval: questionOptions.interval,
      json: questionOptions.json,
    } as const)
    expectNoMore(positionals)
    if (values.eval === undefined) throw new UsageError('-e missing')
    const seconds = numberOf('seconds', values.seconds, 0)
    const value = await evaluate(values.eval)
    if (value instanceof Aggregate || value instanceof Histogram || value instanceof Stacks) {
      using answer = value
      await show(answer, { seconds, interval: numberOf('interval', values.interval, 0.1), json: values.json })
      return exitCodes.ok
    }
    if (value instanceof Trace) {
      using events = value as Trace<unknown>
      await follow('run', { seconds }, events, events, printEvent(values.json))
      return exitCodes.ok
    }
    throw new Failed(
      'the line has to end in a question: trace, count, sum, avg, min, max, hist, lhist, latency or stacks',
    )
  },
}

/** The value of one line, in which the words of `libbpf-node/trace` can be used. */
async function evaluate(line: string): Promise<unknown> {
  const names = Object.keys(words)
  let asked: (...values: unknown[]) => unknown
  try {
    // The user's own line, as `node -e` runs it.
    asked = new Function(...names, `return (${line})`) as typeof asked
  } catch (error) {
    throw new Failed(`${(error as Error).message}: ${line}`)
  }
  return asked(...Object.values(words))
}
