import { stacks } from '../trace/stacks.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { numberOf, pidOf, questionHelp, questionOptions, show } from './questions.js'

export const command: Command = {
  usage: 'PROBE [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--top N] [--folded] [--json]',
  summary: 'Count the stacks in which probes are hit',
  help: `Counts stacks in the kernel, and shows them with the names of the functions.

      --value EXPRESSION    add up this number for each stack, instead of counting
      --top N               only the N most frequent; 10 by default
      --folded              a line for each stack, as flamegraph.pl reads it

  libbpf-node stacks profile:hz:99 --seconds 5
  libbpf-node stacks rt:sched_process_exec --by comm
  libbpf-node stacks tracepoint:syscalls:sys_enter_write --pid 1234 --folded

${questionHelp}`,
  async run(args) {
    const { values, positionals } = parseOptions(args, {
      ...questionOptions,
      folded: { type: 'boolean' },
    } as const)
    const [probe, ...more] = positionals
    if (probe === undefined) throw new UsageError('PROBE missing')
    expectNoMore(more)
    const { by, filter, value, json, folded } = values
    const top = numberOf('top', values.top, 1) ?? 10
    using answer = await stacks(probe, {
      ...(by !== undefined && { by }),
      ...(filter !== undefined && { filter }),
      ...(value !== undefined && { value }),
      ...pidOf(values.pid),
    })
    await show(
      {
        toString: () => (folded ? answer.folded().trimEnd() : answer.toString(top)),
        toJSON: () => answer.toJSON(),
      },
      {
        seconds: numberOf('seconds', values.seconds, 0),
        interval: numberOf('interval', values.interval, 0.1),
        json,
      },
    )
    if (answer.isFull)
      say(
        `libbpf-node stacks: ${answer.lost + answer.lostStacks} hits are missing: there were more stacks than fit`,
      )
    return exitCodes.ok
  },
}
