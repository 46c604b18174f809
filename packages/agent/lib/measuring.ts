// The metrics of a configuration, from the maps of an object.
import { explicitBuckets, log2Buckets, type Metric } from '@libbpf-node/otel'
import type { BpfMap, BpfObject } from 'libbpf-node'
import type { HistogramConfig, MetricsConfig, NumberConfig } from './config/types.js'
import type { ProgramContext } from './context.js'
import { labelsOf, memberOf } from './decoders.js'

/** Adds the metrics, and returns them. If one of them is wrong, none stays. */
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
    buckets: isPowers ? log2Buckets(max + 1, { scale }) : explicitBuckets(keys.map((key) => key * scale)),
    sumScale: scale,
    ...(bucket !== undefined && { slot: (key: unknown) => Number(memberOf(key, bucket)) }),
  }
}
