import { stacks } from '../trace/stacks.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { askedOf, countOf, moreKeys, questionHelp, questionOptions, sayLost, show } from './questions.js'

export const command: Command = {
  usage:
    'PROBE [--by EXPRESSION] [--filter EXPRESSION] [--kernel | --user] [--folded] [--seconds SECONDS] [--json]',
  summary: 'Count the stacks in which probes are hit',
  help: `Counts stacks in the kernel, and shows the 10 most frequent with the names of their functions.

      --value EXPRESSION    add up this number for each stack, instead of counting
      --kernel              only the functions of the kernel
      --user                only the functions of the process
      --max-stacks N        room for N different stacks; 32,768 by default
      --folded              a line for each stack, as flamegraph.pl reads it

  libbpf-node stacks profile:hz:99 --seconds 5
  libbpf-node stacks rt:sched_process_exec --by comm
  libbpf-node stacks tracepoint:syscalls:sys_enter_write --pid 1234 --folded

${questionHelp}`,
  async run(args) {
    const { values, positionals } = parseOptions(args, {
      ...questionOptions,
      'max-stacks': { type: 'string' },
      folded: { type: 'boolean' },
      kernel: { type: 'boolean' },
      user: { type: 'boolean' },
    } as const)
    const [probe, ...more] = positionals
    if (probe === undefined) throw new UsageError('PROBE missing')
    expectNoMore(more)
    const { value, folded, kernel, user } = values
    if (kernel && user) throw new UsageError('--kernel and --user cannot be used together')
    const maxStacks = countOf('max-stacks', values['max-stacks'])
    using question = await askedOf(values, probe)
    const { asked, shown } = question
    using answer = await stacks(probe, {
      ...asked,
      ...(value !== undefined && { value }),
      ...(maxStacks !== undefined && { maxStacks }),
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
    if (!user && answer.kernelProblem !== undefined)
      say(`libbpf-node stacks: functions of the kernel have no names: ${answer.kernelProblem}`)
    sayLost('stacks', answer.lost, moreKeys)
    if (answer.lostStacks > 0)
      say(
        `libbpf-node stacks: ${answer.lostStacks} hits have no stack: there was no room for more different stacks; --max-stacks makes room for more`,
      )
    return exitCodes.ok
  },
}
