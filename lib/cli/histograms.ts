import * as questions from '../trace/histogram.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { expectNoMore, oneOf, parseOptions } from './output.js'
import { numberOf, pidOf, questionHelp, questionOptions, sayLost, show } from './questions.js'

export const hist: Command = {
  usage: 'PROBE --value EXPRESSION [--by EXPRESSION] [--filter EXPRESSION] [--seconds SECONDS] [--json]',
  summary: 'Show how values are distributed',
  help: `Counts values in the kernel: by powers of two, or, with --step, in buckets of equal width.

      --value EXPRESSION    the value
      --min N --max N --step N

  libbpf-node hist tracepoint:syscalls:sys_exit_read --value retval --by comm --seconds 5

${questionHelp}`,
  async run(args) {
    const { values, probes } = parse(args, 1)
    if (values.value === undefined) throw new UsageError('--value missing')
    const options = { ...questionOf(values), value: values.value }
    const [min, max, step] = (['min', 'max', 'step'] as const).map((name) =>
      numberOf(name, values[name], Number.NEGATIVE_INFINITY),
    )
    if (step === undefined && (min !== undefined || max !== undefined))
      throw new UsageError('--min and --max need --step')
    if (step !== undefined && max === undefined) throw new UsageError('--step needs --max')
    using answer =
      step === undefined
        ? await questions.hist(probes[0]!, options)
        : await questions.lhist(probes[0]!, { ...options, min: min ?? 0, max: max!, step })
    await show(answer, shownOf(values))
    sayLost('hist', answer.lost)
    return exitCodes.ok
  },
}

export const latency: Command = {
  usage: 'BEGIN END [--key EXPRESSION] [--by EXPRESSION] [--unit ns|us|ms|s] [--seconds SECONDS] [--json]',
  summary: 'Show how much time passes from one probe to another',
  help: `Measures in the kernel, and counts the times by powers of two.

  -k, --key EXPRESSION      what a begin and its end have in common; tid by default
      --unit UNIT           of the buckets; us by default

  libbpf-node latency tracepoint:syscalls:sys_enter_read tracepoint:syscalls:sys_exit_read --by comm

${questionHelp}`,
  async run(args) {
    const { values, probes } = parse(args, 2)
    const unit = oneOf('unit', ['ns', 'us', 'ms', 's'], values.unit ?? 'us')
    using answer = await questions.latency(probes[0]!, probes[1]!, {
      ...questionOf(values),
      ...(values.key !== undefined && { key: values.key }),
      unit,
    })
    await show(answer, shownOf(values))
    sayLost('latency', answer.lost)
    return exitCodes.ok
  },
}

function parse(args: string[], count: number) {
  const { values, positionals } = parseOptions(args, questionOptions)
  if (positionals.length < count) throw new UsageError(count === 1 ? 'PROBE missing' : 'BEGIN or END missing')
  expectNoMore(positionals.slice(count))
  return { values, probes: positionals }
}

type Values = ReturnType<typeof parse>['values']

const questionOf = ({ by, filter, pid }: Values) => ({
  ...pidOf(pid),
  ...(by !== undefined && { by }),
  ...(filter !== undefined && { filter }),
})

const shownOf = ({ seconds, interval, json }: Values) => ({
  seconds: numberOf('seconds', seconds, 0),
  interval: numberOf('interval', interval, 0.1),
  json,
})
