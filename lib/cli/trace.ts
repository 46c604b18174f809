import { trace } from '../trace/events.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { expectNoMore, parseOptions } from './output.js'
import { askedOf, follow, printEvent, questionHelp, questionOptions } from './questions.js'

export const command: Command = {
  usage: 'PROBE [EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary: 'Print a line for each hit of a probe',
  help: `Prints what EXPRESSION is at each hit; by default the time, the process and its name.

  libbpf-node trace tracepoint:syscalls:sys_enter_openat 'comm, pid, str(args.filename)'

${questionHelp}`,
  async run(args) {
    const { values, positionals } = parseOptions(args, questionOptions)
    const [probe, expression = 'nsecs, pid, comm, probe', ...more] = positionals
    if (probe === undefined) throw new UsageError('PROBE missing')
    expectNoMore(more)
    using question = await askedOf(values, probe)
    const { asked, shown } = question
    using events = await trace<unknown>(probe, expression, asked)
    const { length } = events.probes
    const ends = shown.seconds === 0 ? '' : '; press Ctrl-C to stop'
    say(`libbpf-node trace: attached to ${length} ${length === 1 ? 'probe' : 'probes'}${ends}`)
    await follow('trace', shown, events, events, printEvent(values.json))
    return exitCodes.ok
  },
}
