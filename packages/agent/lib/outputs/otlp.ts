// OpenTelemetry: events as logs, and all metrics. Loaded only if the configuration has an endpoint.
import type { BpfMetrics } from '@libbpf-node/otel'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { SeverityNumber } from '@opentelemetry/api-logs'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { OtlpConfig } from '../config/types.js'
import { attributesOf } from './attributes.js'
import type { AgentEvent, Output } from './output.js'

/** Reports what cannot be exported. Without this, OpenTelemetry keeps silent. */
export function reportTo(report: (reason: string) => void): void {
  const say = (...words: unknown[]): void =>
    report(words.map((word) => (word instanceof Error ? word.message : String(word))).join(' '))
  const silent = (): void => undefined
  diag.setLogger({ error: say, warn: say, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)
}

export class OtlpOutput implements Output {
  readonly #logs: LoggerProvider
  readonly #metrics: MeterProvider | undefined

  constructor(config: OtlpConfig, metrics: BpfMetrics, attributes: Record<string, string>) {
    const {
      endpoint,
      headers = {},
      metrics_interval: interval = 60,
      max_queue: maxQueueSize = 65_536,
    } = config
    const url = endpoint.replace(/\/+$/, '')
    const resource = defaultResource().merge(resourceFromAttributes(attributes))
    const exporter = new OTLPLogExporter({ url: `${url}/v1/logs`, headers })
    const processor = new BatchLogRecordProcessor({
      exporter,
      maxQueueSize,
      maxExportBatchSize: 4096,
      scheduledDelayMillis: 1000,
    })
    this.#logs = new LoggerProvider({ resource, processors: [processor] })
    if (interval > 0) {
      const reader = new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics`, headers }),
        exportIntervalMillis: interval * 1000,
        exportTimeoutMillis: Math.min(30_000, interval * 1000),
        metricProducers: [metrics],
      })
      this.#metrics = new MeterProvider({ resource, readers: [reader] })
    }
  }

  write({ name, program, time, body }: AgentEvent): boolean {
    this.#logs.getLogger('@libbpf-node/agent').emit({
      eventName: name,
      timestamp: time,
      observedTimestamp: time,
      severityNumber: SeverityNumber.INFO,
      attributes: { 'bpf.program': program, ...attributesOf(body) },
    })
    return true
  }

  async close(): Promise<void> {
    await this.#logs.shutdown()
    await this.#metrics?.shutdown()
  }
}
