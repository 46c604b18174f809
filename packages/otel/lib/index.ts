/**
 * OpenTelemetry for libbpf-node: metrics from the maps of BPF programs, and logs and spans from their events.
 *
 * @packageDocumentation
 */
export { type EventAttributes, toAttributes } from './attributes.js'
export { type Buckets, explicitBuckets, log2Buckets } from './buckets.js'
export type { HistogramOptions } from './histograms.js'
export type { Labels } from './labels.js'
export { type LogOptions, logEvents } from './logs.js'
export {
  MapMetric,
  type Metric,
  type MetricKind,
  type MetricMap,
  type MetricOptions,
  type MetricReading,
  type NotedExemplar,
} from './metric.js'
export { BpfMetrics, type MetricsReading } from './metrics.js'
export type { NumberOptions } from './numbers.js'
export type { Exemplar, Series } from './series.js'
export { type SpanOptions, traceEvents } from './spans.js'
