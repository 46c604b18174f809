import { stacks } from '../trace/stacks.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { askedOf, questionHelp, questionOptions, show } from './questions.js'

export const command: Command = {
  usage:
    'PROBE [--by EXPRESSION] [--filter EXPRESSION] [--kernel | --user] [--folded] [--seconds SECONDS] [--json]',
  summary: 'Count the stacks in which probes are hit',
  help: `Counts stacks in the kernel, and shows the 10 most frequent with the names of their functions.

      --value EXPRESSION    add up this number for each stack, instead of counting
      --kernel              only the functions of the kernel
      --user                only the functions of the process
      --folded              a line for each stack, as flamegraph.pl reads it

  libbpf-node stacks profile:hz:99 --seconds 5
  libbpf-node stacks rt:sched_process_exec --by comm
  libbpf-node stacks tracepoint:syscalls:sys_enter_write --pid 1234 --folded

${questionHelp}`,
  async run(args) {
    const { values, positionals } = parseOptions(args, {
      ...questionOptions,
      folded: { type: 'boolean' },
      kernel: { type: 'boolean' },
      user: { type: 'boolean' },
    } as const)
    const [probe, ...more] = positionals
    if (probe === undefined) throw new UsageError('PROBE missing')
    expectNoMore(more)
    const { value, folded, kernel, user } = values
    if (kernel && user) throw new UsageError('--kernel and --user cannot be used together')
    using question = await askedOf(values)
    const { asked, shown } = question
    using answer = await stacks(probe, {
      ...asked,
      ...(value !== undefined && { value }),
      kernel: !user,
      user: !kernel,
    })
    await show(
      {
        toString: (count = 10) => (folded ? answer.folded().trimEnd() : answer.toString(count)),
        toJSON: () => answer.toJSON(),
        clear: () => answer.clear(),
      },
      shown,
    )
    if (answer.isFull)
      say(
        `libbpf-node stacks: ${answer.lost + answer.lostStacks} hits are missing: there were more stacks than fit`,
      )
    return exitCodes.ok
  },
}
