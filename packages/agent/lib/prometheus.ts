import type { BpfMetrics, MetricReading, Series } from '@libbpf-node/otel'
import prometheus, { type Metric } from 'prom-client'

const { Registry } = prometheus

/** A line: its labels and its value. */
interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** How many lines are written before the event loop gets a turn. */
const linesInTurn = 2500

export const contentTypes = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openMetrics: Registry.OPENMETRICS_CONTENT_TYPE,
}

export type Format = keyof typeof contentTypes

/** The format that a scraper prefers, from its Accept header. */
export const formatFor = (accept = ''): Format =>
  accept.includes('application/openmetrics-text') ? 'openMetrics' : 'prometheus'

/**
 * Writes all metrics in Prometheus' text format, which prom-client knows. It gets the lines of a metric in parts, so that
 * thousands of them do not stop the event loop.
 */
export async function writeMetrics(metrics: BpfMetrics, format: Format): Promise<string> {
  const { metrics: readings, errors } = await metrics.read()
  let text = ''
  for (const reading of [...readings, failedMetrics(errors)]) {
    const write = writerOf(reading, format)
    let part: Value[] = []
    for (const series of reading.series) {
      pushValues(part, reading, series, format)
      if (part.length < linesInTurn) continue
      text += await write(part)
      part = []
      await new Promise((resolve) => setImmediate(resolve))
    }
    text += await write(part)
  }
  return format === 'openMetrics' ? `${text}# EOF\n` : text
}

/** A function that writes some lines of a metric; the first ones with what the metric is about. */
function writerOf(
  { name, description, kind }: MetricReading,
  format: Format,
): (values: Value[]) => Promise<string> {
  const registry = new Registry()
  if (format === 'openMetrics') registry.setContentType(contentTypes.openMetrics as never)
  const about = { name: familyName(name, kind, format), help: description, type: kind }
  let part: Value[] = []
  // A collector of one's own, which prom-client asks for its values.
  registry.registerMetric({ name, get: async () => ({ ...about, values: part }) } as unknown as Metric)
  let isFirst = true
  return async (values) => {
    part = values
    if (values.length === 0 && !isFirst) return ''
    const written = await registry.getSingleMetricAsString(name)
    const begin = isFirst ? 0 : written.indexOf('\n', written.indexOf('\n') + 1) + 1
    isFirst = false
    return `${written.slice(begin)}\n`
  }
}

function failedMetrics(errors: readonly { readonly metric: string }[]): MetricReading {
  return {
    name: 'libbpf_node_agent_failed_metrics',
    description: 'Metrics that could not be read this time',
    unit: '',
    kind: 'gauge',
    boundaries: [],
    hasSum: false,
    series: errors.map(({ metric }) => ({ labels: { metric }, values: [1] })),
  }
}

/** Counters end with _total. In OpenMetrics, prom-client adds that. */
function familyName(name: string, kind: MetricReading['kind'], format: Format): string {
  const plain = sanitized(name)
  if (kind !== 'counter') return plain
  const base = plain.replace(/_total$/, '')
  return format === 'openMetrics' ? base : `${base}_total`
}

export const sanitized = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, '_')

function pushValues(
  to: Value[],
  { name, kind, boundaries, hasSum }: MetricReading,
  { labels, values }: Series,
  format: Format,
): void {
  const own = labelsOf(labels)
  if (kind !== 'histogram') {
    to.push({ labels: own, value: values[0]! })
    return
  }
  const family = familyName(name, kind, format)
  let count = 0
  for (let i = 0; i <= boundaries.length; i++) {
    count += values[i]!
    to.push({ metricName: `${family}_bucket`, labels: { ...own, le: boundaries[i] ?? '+Inf' }, value: count })
  }
  if (hasSum) to.push({ metricName: `${family}_sum`, labels: own, value: values[boundaries.length + 1]! })
  to.push({ metricName: `${family}_count`, labels: own, value: count })
}

function labelsOf(labels: Series['labels']): Record<string, string | number> {
  const own: Record<string, string | number> = {}
  for (const name in labels) {
    const value = labels[name]!
    own[sanitized(name)] = typeof value === 'boolean' ? String(value) : value
  }
  return own
}
