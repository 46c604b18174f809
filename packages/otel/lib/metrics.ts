import type { BatchObservableResult, Meter, Observable } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { CollectionResult, MetricProducer } from '@opentelemetry/sdk-metrics'
import { type HistogramOptions, histogramMetric } from './histograms.js'
import type { MapMetric, Metric, MetricReading } from './metric.js'
import { type NumberOptions, numberMetric } from './numbers.js'
import { toMetricData } from './otlp-data.js'
import { perTurn, turn } from './turns.js'

/** What reading the metrics yielded. */
export interface MetricsReading {
  readonly metrics: readonly MetricReading[]
  /** Why some metrics could not be read. The others are there. */
  readonly errors: readonly { readonly metric: string; readonly error: unknown }[]
  /** When the first of them was made, in milliseconds since 1970: counters began at 0 then. */
  readonly since: number
  /** When they were read. */
  readonly at: number
}

/**
 * Metrics that are read from BPF maps when somebody asks: an exporter of OpenTelemetry, or Prometheus. Reading happens on
 * libuv's thread pool in batches, and the event loop gets a turn after each.
 *
 * There are three ways to ask. A reader of OpenTelemetry's SDK takes them as `metricProducers`, which is the way for
 * histograms and for many series. {@link register} makes observable instruments of counters and gauges, with nothing
 * but OpenTelemetry's API. {@link read} returns plain values.
 *
 * @example
 * const metrics = new BpfMetrics()
 * metrics.counter({ name: 'tcp.retransmits', map: obj.map('retransmits'), labels: ({ family }) => ({ family }) })
 * const reader = new PeriodicExportingMetricReader({ exporter, metricProducers: [metrics] })
 * new MeterProvider({ readers: [reader] })
 */
export class BpfMetrics implements MetricProducer {
  readonly #metrics = new Map<string, Metric>()
  readonly #since = Date.now()
  #reading: Promise<MetricsReading> | undefined

  /** A number that only grows, such as how often something happened. */
  counter<K, V>(options: NumberOptions<K, V>): MapMetric<K, V> {
    return this.add(numberMetric('counter', options))
  }

  /** A number that also shrinks, such as how many connections there are. */
  gauge<K, V>(options: NumberOptions<K, V>): MapMetric<K, V> {
    return this.add(numberMetric('gauge', options))
  }

  /** How often values fell into each bucket. */
  histogram<K, V>(options: HistogramOptions<K, V>): MapMetric<K, V> {
    return this.add(histogramMetric(options))
  }

  /** Adds a metric of another kind. @throws TypeError if there is one with this name */
  add<M extends Metric>(metric: M): M {
    if (this.#metrics.has(metric.name)) throw new TypeError(`there is a metric ${metric.name} already`)
    this.#metrics.set(metric.name, metric)
    return metric
  }

  /** Removes a metric, for example before its object is closed. */
  remove(metric: Metric): void {
    if (this.#metrics.get(metric.name) === metric) this.#metrics.delete(metric.name)
  }

  /** Reads all metrics. Those who ask at the same time get the same answer. */
  read(): Promise<MetricsReading> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<MetricsReading> {
    const at = Date.now()
    const metrics: MetricReading[] = []
    const errors: { metric: string; error: unknown }[] = []
    for (const metric of this.#metrics.values()) {
      try {
        metrics.push(await metric.read(at))
      } catch (error) {
        errors.push({ metric: metric.name, error })
      }
    }
    return { metrics, errors, since: this.#since, at }
  }

  /** What a reader of OpenTelemetry's SDK calls. All metrics are cumulative. */
  async collect(): Promise<CollectionResult> {
    const { metrics, errors, since, at } = await this.read()
    const data = []
    for (const metric of metrics) data.push(await toMetricData(metric, since, at))
    return {
      resourceMetrics: { resource: noResource, scopeMetrics: [{ scope, metrics: data }] },
      errors: errors.map(({ error }) => error),
    }
  }

  /**
   * Makes observable instruments of the counters and gauges that there are now. Histograms are left out, because
   * OpenTelemetry's API has no observable ones: use `metricProducers` for those.
   *
   * @returns a function that stops observing
   */
  register(meter: Meter): () => void {
    const instruments = new Map<string, Observable>()
    for (const { name, kind, description, unit } of this.#metrics.values()) {
      const options = { description, unit }
      if (kind === 'counter') instruments.set(name, meter.createObservableCounter(name, options))
      if (kind === 'gauge') instruments.set(name, meter.createObservableGauge(name, options))
    }
    const observe = async (result: BatchObservableResult): Promise<void> => {
      let points = 0
      const { metrics, errors } = await this.read()
      for (const { name, series } of metrics) {
        const instrument = instruments.get(name)
        if (instrument === undefined) continue
        for (const { values, labels } of series) {
          result.observe(instrument, values[0]!, labels)
          if (++points % perTurn === 0) await turn()
        }
      }
      // The SDK reports it, and the other metrics are there.
      if (errors.length > 0) throw errors[0]!.error
    }
    meter.addBatchObservableCallback(observe, [...instruments.values()])
    return () => meter.removeBatchObservableCallback(observe, [...instruments.values()])
  }
}

const scope = { name: '@libbpf-node/otel' }
/** Readers use the resource of the SDK, and not that of a producer. */
const noResource = { attributes: {} } as unknown as Resource
