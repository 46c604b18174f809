import * as questions from '../trace/aggregate.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { numberOf, pidOf, questionHelp, questionOptions, sayLost, show } from './questions.js'

export const count: Command = {
  usage: 'PROBE [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary: 'Count how often probes are hit',
  help: `Counts in the kernel and shows a bar for each key.

  libbpf-node count raw_syscalls:sys_enter --by comm --seconds 5
  libbpf-node count 'kprobe:tcp_*' --by probe

${questionHelp}`,
  run: (args) => run(args, 'count'),
}

export const sum: Command = {
  usage: 'PROBE --value EXPRESSION [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary: 'Add up a number at each hit of a probe',
  help: `Adds up in the kernel and shows a bar for each key.

      --value EXPRESSION    the number

  libbpf-node sum tracepoint:syscalls:sys_exit_read --value retval --filter 'retval > 0' --by comm

${questionHelp}`,
  run: (args) => run(args, 'sum'),
}

async function run(args: string[], what: 'count' | 'sum'): Promise<number> {
  const { values, positionals } = parseOptions(args, questionOptions)
  const [probe, ...more] = positionals
  if (probe === undefined) throw new UsageError('PROBE missing')
  expectNoMore(more)
  const { by, filter, value, json } = values
  const top = numberOf('top', values.top, 1)
  const options = {
    ...(by !== undefined && { by }),
    ...(filter !== undefined && { filter }),
    ...pidOf(values.pid),
  }
  const shown = {
    seconds: numberOf('seconds', values.seconds, 0),
    interval: numberOf('interval', values.interval, 0.1),
    json,
  }
  if (what === 'sum' && value === undefined) throw new UsageError('--value missing')
  using answer =
    what === 'count'
      ? await questions.count(probe, options)
      : await questions.sum(probe, { ...options, value: value! })
  await show(
    {
      toString: () => answer.toString(top),
      toJSON: () => (top === undefined ? answer.rows() : answer.top(top)),
    },
    shown,
  )
  sayLost(what, answer.lost)
  return exitCodes.ok
}
