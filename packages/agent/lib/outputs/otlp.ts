// OpenTelemetry: events as logs, and all metrics. Loaded only if the configuration has an endpoint.
import { type BpfMetrics, toAttributes } from '@libbpf-node/otel'
import { DiagLogLevel, diag, type HrTime } from '@opentelemetry/api'
import { SeverityNumber } from '@opentelemetry/api-logs'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { OtlpConfig } from '../config/types.js'

import type { AgentEvent, Output } from './output.js'

/** The most events in a request. */
const batchSize = 8192
/** An event waits for others at most this long, in milliseconds. */
const wait = 1000

/** Reports what cannot be exported. Without this, OpenTelemetry keeps silent. */
export function reportTo(report: (reason: string) => void): void {
  const say = (...words: unknown[]): void =>
    report(words.map((word) => (word instanceof Error ? word.message : String(word))).join(' '))
  const silent = (): void => undefined
  diag.setLogger({ error: say, warn: say, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)
}

/**
 * Sends events in batches, one after the other. OpenTelemetry's own batches do not tell when they drop something, and
 * everything that is lost has to be counted here.
 */
export class OtlpOutput implements Output {
  readonly #exporter: OTLPLogExporter
  readonly #metrics: MeterProvider | undefined
  readonly #resource: Resource
  readonly #maxQueue: number
  #queue: AgentEvent[] = []
  #sending: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Events that the receiver did not take. */
  failed = 0

  constructor(config: OtlpConfig, metrics: BpfMetrics, attributes: Record<string, string>) {
    const { endpoint, headers = {}, metrics_interval: interval = 60, max_queue: maxQueue = 65_536 } = config
    const url = endpoint.replace(/\/+$/, '')
    this.#maxQueue = maxQueue
    this.#resource = defaultResource().merge(resourceFromAttributes(attributes))
    this.#exporter = new OTLPLogExporter({ url: `${url}/v1/logs`, headers })
    if (interval > 0) {
      const reader = new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics`, headers }),
        exportIntervalMillis: interval * 1000,
        exportTimeoutMillis: Math.min(30_000, interval * 1000),
        metricProducers: [metrics],
      })
      this.#metrics = new MeterProvider({ resource: this.#resource, readers: [reader] })
    }
  }

  write(event: AgentEvent): boolean {
    if (this.#queue.length >= this.#maxQueue) return false
    this.#queue.push(event)
    if (this.#queue.length >= batchSize) this.#sendSoon()
    else this.#timer ??= setTimeout(() => this.#sendSoon(), wait)
    return true
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    while (this.#queue.length > 0 || this.#sending !== undefined) await this.#sendSoon()
    await this.#exporter.shutdown()
    await this.#metrics?.shutdown()
  }

  /** Sends what there is, unless a request is under way. Then the rest follows it. */
  #sendSoon(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
      if (this.#queue.length >= batchSize) void this.#sendSoon()
      else if (this.#queue.length > 0) this.#timer ??= setTimeout(() => this.#sendSoon(), wait)
    })
    return this.#sending
  }

  async #send(): Promise<void> {
    const events = this.#queue.slice(0, batchSize)
    this.#queue = this.#queue.slice(batchSize)
    const records = events.map((event) => toRecord(event, this.#resource))
    const { code, error } = await new Promise<{ code: ExportResultCode; error?: Error }>((resolve) =>
      this.#exporter.export(records, resolve),
    )
    if (code === ExportResultCode.SUCCESS) return
    this.failed += events.length
    diag.warn(`${events.length} events were not received: ${error?.message ?? 'unknown'}`)
  }
}

const instrumentationScope = { name: '@libbpf-node/agent' }

function toRecord({ name, program, time, body }: AgentEvent, resource: Resource): ReadableLogRecord {
  const hrTime: HrTime = [Math.floor(time / 1000), (time % 1000) * 1_000_000]
  return {
    hrTime,
    hrTimeObserved: hrTime,
    eventName: name,
    severityNumber: SeverityNumber.INFO,
    attributes: toAttributes(body, '', { 'bpf.program': program }),
    droppedAttributesCount: 0,
    resource,
    instrumentationScope,
  }
}
