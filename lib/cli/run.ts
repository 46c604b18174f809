import { didYouMean } from '../errors/nearest.js'
import { Aggregate } from '../trace/aggregate.js'
import { Trace } from '../trace/events.js'
import { Histogram } from '../trace/histogram.js'
import { SharedSession, type SharedTables } from '../trace/several.js'
import { Stacks } from '../trace/stacks.js'
import * as words from '../trace.js'
import { type Command, exitCodes, Failed, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { type Answer, follow, numberOf, printEvent, questionOptions, show } from './questions.js'

export const command: Command = {
  usage: "-e 'TYPESCRIPT' [--seconds SECONDS] [--json]",
  summary: 'Ask the kernel a question in one line of JavaScript',
  help: `Runs the line with everything that 'libbpf-node/trace' exports, and shows its value: live on a terminal, and
once at the end in a pipe.

  -e, --eval LINE           for example: count('raw_syscalls:sys_enter', { by: (r) => r.comm })
  -s, --seconds SECONDS     stop after this time; otherwise Ctrl-C stops
  -i, --interval SECONDS    show an answer at this interval
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
    if (value instanceof SharedSession) {
      using session = value as SharedSession<SharedTables, unknown>
      if (session.hasEvents)
        await follow('run', { seconds }, session, session.events, printEvent(values.json))
      const answer = answerOf(session)
      if (session.hasEvents && Object.keys(session.tables).length === 0) return exitCodes.ok
      await show(answer, {
        seconds: session.hasEvents ? 0 : seconds,
        interval: session.hasEvents ? undefined : numberOf('interval', values.interval, 0.1),
        json: values.json,
      })
      return exitCodes.ok
    }
    throw new Failed(
      'the line has to end with a call of a question: trace, count, sum, avg, min, max, hist, lhist, latency, stacks or session',
    )
  },
}

/** The tables of a session, each with its name. */
function answerOf({ tables }: SharedSession<SharedTables, unknown>): Answer {
  const answers = Object.entries(tables as Record<string, Answer & object>)
  return {
    toJSON: () => Object.fromEntries(answers.map(([name, answer]) => [name, answer.toJSON()])),
    toString: (count, style) =>
      answers
        .map(([name, answer]) => `${name}:\n${answer.toString(count, style) || 'nothing yet'}`)
        .join('\n\n'),
  }
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
  try {
    return await asked(...Object.values(words))
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    const [name = ''] = error.message.split(' ')
    throw new Failed(
      `${error.message}${didYouMean(name, names)}; there are ${names.filter(isQuestion).join(', ')}`,
    )
  }
}

const isQuestion = (name: string): boolean => /^[a-z]/.test(name)
