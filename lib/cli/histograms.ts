import * as questions from '../trace/histogram.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { HeatMaps } from './heat-maps.js'
import { expectNoMore, oneOf, parseOptions } from './output.js'
import {
  askedOf,
  moreKeys,
  numberOf,
  questionHelp,
  questionOptions,
  type ShowOptions,
  sayLost,
  show,
} from './questions.js'

const options = { ...questionOptions, 'heat-map': { type: 'boolean' } } as const

const heatMapHelp = `      --heat-map            show how it changes: a column for each --interval, which is a second by default`

export const hist: Command = {
  usage:
    'PROBE --value EXPRESSION [--by EXPRESSION] [--filter EXPRESSION] [--heat-map] [--seconds SECONDS] [--json]',
  summary: 'Show how values are distributed',
  help: `Counts values in the kernel: by powers of two, or, with --step, in buckets of equal width.

      --value EXPRESSION    the value
      --min N --max N --step N
                            buckets of N values, from --min, which is 0 by default, to --max
${heatMapHelp}

  libbpf-node hist tracepoint:syscalls:sys_exit_read --value retval --by comm --seconds 5
  libbpf-node hist tracepoint:syscalls:sys_exit_read --value retval --max 2000 --step 200

${questionHelp}`,
  async run(args) {
    const { values, probes } = parse(args, 1)
    const { value } = values
    if (value === undefined) throw new UsageError('--value missing')
    const [min = 0, max, step] = (['min', 'max', 'step'] as const).map((name) =>
      numberOf(name, values[name], Number.NEGATIVE_INFINITY),
    )
    if (step === undefined && (values.min !== undefined || max !== undefined))
      throw new UsageError('--min and --max need --step')
    if (step !== undefined && max === undefined) throw new UsageError('--step needs --max')
    using question = await askedOf(values, probes[0]!)
    const { asked, shown } = question
    using answer =
      step === undefined
        ? await questions.hist(probes[0]!, { ...asked, value })
        : await questions.lhist(probes[0]!, { ...asked, value, min, max: max!, step })
    return await showHistogram('hist', answer, shown, values['heat-map'])
  },
}

export const latency: Command = {
  usage:
    'BEGIN END [--key EXPRESSION] [--by EXPRESSION] [--unit ns|us|ms|s] [--heat-map] [--seconds SECONDS] [--json]',
  summary: 'Show how much time passes from one probe to another',
  help: `Measures in the kernel, and counts the times by powers of two.

  -k, --key EXPRESSION      what the start and the end of a measurement have in common; tid by default
      --unit UNIT           the unit of the buckets: ns, us, ms or s; us by default
${heatMapHelp}

  libbpf-node latency tracepoint:syscalls:sys_enter_read tracepoint:syscalls:sys_exit_read --by comm

${questionHelp}`,
  async run(args) {
    const { values, probes } = parse(args, 2)
    const unit = oneOf('unit', ['ns', 'us', 'ms', 's'], values.unit ?? 'us')
    using question = await askedOf(values, probes[0]!)
    const { asked, shown } = question
    using answer = await questions.latency(probes[0]!, probes[1]!, {
      ...asked,
      ...(values.key !== undefined && { key: values.key }),
      unit,
    })
    return await showHistogram('latency', answer, shown, values['heat-map'])
  },
}

function parse(args: string[], count: number) {
  const { values, positionals } = parseOptions(args, options)
  if (positionals.length < count) throw new UsageError(count === 1 ? 'PROBE missing' : 'BEGIN or END missing')
  expectNoMore(positionals.slice(count))
  if (values['heat-map'] && (values.json || values.clear))
    throw new UsageError('--heat-map cannot be used with --json or --clear')
  return { values, probes: positionals }
}

async function showHistogram(
  command: string,
  answer: questions.Histogram<unknown>,
  shown: ShowOptions,
  isHeatMap = false,
): Promise<number> {
  const maps = isHeatMap ? new HeatMaps(answer, shown.top) : undefined
  await show(answer, shown, maps && ((style) => maps.draw(style)))
  sayLost(command, answer.lost, moreKeys)
  return exitCodes.ok
}
