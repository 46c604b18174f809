// The metrics of a configuration, from the maps of an object.
import { explicitBuckets, log2Buckets, type Metric, type NotedExemplar } from '@libbpf-node/otel'
import type { BpfMap, BpfObject } from 'libbpf-node'
import type { ExemplarConfig, HistogramConfig, MetricsConfig, NumberConfig } from './config/types.js'
import type { ProgramContext } from './context.js'
import { labelsOf, memberOf } from './decoders.js'

/** Adds the metrics, and returns them. If one of them is wrong, none is added. */
export function addMetrics(object: BpfObject, config: MetricsConfig, context: ProgramContext): Metric[] {
  const { counters = [], gauges = [], histograms = [] } = config
  const { metrics } = context
  const added: Metric[] = []
  try {
    for (const one of counters) added.push(metrics.counter(numberOptions(object, one, context)))
    for (const one of gauges) added.push(metrics.gauge(numberOptions(object, one, context)))
    for (const one of histograms) added.push(metrics.histogram(histogramOptions(object, one, context)))
    return added
  } catch (error) {
    for (const metric of added) metrics.remove(metric)
    throw error
  }
}

function commonOptions(object: BpfObject, config: NumberConfig | HistogramConfig, context: ProgramContext) {
  const { name, help, map = name, labels = [], max_series, stale_after } = config
  return {
    name,
    description: help,
    map: object.map<unknown, unknown>(map) as BpfMap<unknown, unknown>,
    labels: labelsOf(labels, context),
    ...(max_series !== undefined && { maxSeries: max_series }),
    ...(stale_after !== undefined && { staleAfter: stale_after }),
  }
}

function numberOptions(object: BpfObject, config: NumberConfig, context: ProgramContext) {
  const { member, multiplier } = config
  // The value of a per-CPU map is an array.
  const value = (found: unknown): number =>
    [found].flat().reduce((sum: number, one) => sum + Number(memberOf(one, member!)), 0)
  return {
    ...commonOptions(object, config, context),
    ...exemplarOptions(config.exemplar, multiplier, context),
    ...(member !== undefined && { value }),
    ...(multiplier !== undefined && { scale: multiplier }),
  }
}

function histogramOptions(object: BpfObject, config: HistogramConfig, context: ProgramContext) {
  const { bucket_type, bucket_max: max = 31, bucket_keys: keys = [], bucket_multiplier: scale = 1 } = config
  const { bucket } = config
  const isPowers = bucket_type === 'exp2'
  return {
    ...commonOptions(object, config, context),
    ...exemplarOptions(config.exemplar, scale, context),
    buckets: isPowers ? log2Buckets(max + 1, { scale }) : explicitBuckets(keys.map((key) => key * scale)),
    sumScale: scale,
    ...(bucket !== undefined && { slot: (key: unknown) => Number(memberOf(key, bucket)) }),
  }
}

/** The newest exemplar of an entry; in a per-CPU map, each CPU has one. */
function exemplarOptions(config: ExemplarConfig | undefined, scale = 1, context: ProgramContext) {
  if (config === undefined) return {}
  const { member, value, time, labels } = config
  const decode = labelsOf(labels, context)
  const exemplar = (found: unknown): NotedExemplar | undefined => {
    let newest: unknown
    let at = 0n
    for (const one of [found].flat()) {
      const noted = memberOf(one, member)
      const then = memberOf(noted, time)
      if (typeof then !== 'bigint')
        throw new TypeError(`exemplar: '${member}.${time}' of a value is not a 64-bit number`)
      if (then <= at) continue
      newest = noted
      at = then
    }
    if (newest === undefined) return undefined
    return { labels: decode(newest), value: Number(memberOf(newest, value)) * scale, time: at }
  }
  return { exemplar }
}
