import * as questions from '../trace/aggregate.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { askedOf, moreKeys, questionHelp, questionOptions, sayLost, show } from './questions.js'

export const count: Command = {
  usage: 'PROBE [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary: 'Count how often probes are hit',
  help: `Counts in the kernel and shows a bar for each key.

  libbpf-node count raw_syscalls:sys_enter --by comm --seconds 5
  libbpf-node count 'kprobe:tcp_*' --by probe

${questionHelp}`,
  run: (args) => run(args, 'count'),
}

/** A question about a number. */
const about = (what: 'sum' | 'avg' | 'min' | 'max', summary: string, does: string): Command => ({
  usage: 'PROBE --value EXPRESSION [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary,
  help: `${does} and shows a bar for each key.

      --value EXPRESSION    the number

  libbpf-node ${what} tracepoint:syscalls:sys_exit_read --value retval --filter 'retval > 0' --by comm

${questionHelp}`,
  run: (args) => run(args, what),
})

export const sum = about('sum', 'Add up a number at each hit of a probe', 'Adds up a number in the kernel')
export const avg = about('avg', 'Show the mean of a number', 'Takes the mean of a number over all hits')
export const min = about('min', 'Show the smallest value of a number', 'Keeps the smallest value of all hits')
export const max = about('max', 'Show the largest value of a number', 'Keeps the largest value of all hits')

async function run(args: string[], what: 'count' | 'sum' | 'avg' | 'min' | 'max'): Promise<number> {
  const { values, positionals } = parseOptions(args, questionOptions)
  const [probe, ...more] = positionals
  if (probe === undefined) throw new UsageError('PROBE missing')
  expectNoMore(more)
  const { value } = values
  if (what !== 'count' && value === undefined) throw new UsageError('--value missing')
  using question = await askedOf(values, probe)
  const { asked, shown } = question
  using answer =
    what === 'count'
      ? await questions.count(probe, asked)
      : await questions[what](probe, { ...asked, value: value! })
  await show(answer, shown)
  sayLost(what, answer.lost, moreKeys)
  return exitCodes.ok
}
