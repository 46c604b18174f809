// Prometheus' text format (version 0.0.4), and OpenMetrics 1.0.
import type { BpfMetrics, Exemplar, Labels, MetricReading, Series } from '@libbpf-node/otel'

/** Milliseconds of writing, after which the event loop gets a turn. */
const mostInTurn = 3
/** Series that are written before the clock is looked at. */
const betweenLooks = 64

export const contentTypes = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openMetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

export type Format = keyof typeof contentTypes

/** The format that a scraper prefers, from its Accept header. */
export const formatFor = (accept = ''): Format =>
  accept.includes('application/openmetrics-text') ? 'openMetrics' : 'prometheus'

/** Writes all metrics. */
export async function writeMetrics(metrics: BpfMetrics, format: Format): Promise<string> {
  const { metrics: readings, errors } = await metrics.read()
  let began = performance.now()
  let written = 0
  let text = ''
  for (const reading of [...readings, failedMetrics(errors)]) {
    text += headOf(reading, format)
    const lines = linesOf(reading, format)
    for (const series of reading.series) {
      text += lines(series)
      if (++written % betweenLooks !== 0 || performance.now() - began < mostInTurn) continue
      await new Promise((resolve) => setImmediate(resolve))
      began = performance.now()
    }
  }
  return format === 'openMetrics' ? `${text}# EOF\n` : text
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

/** What the metric is about. In OpenMetrics, only the lines of a counter end with `_total`, and not its name. */
function headOf({ name, description, kind }: MetricReading, format: Format): string {
  const family = format === 'openMetrics' ? familyOf(name, kind) : sampleName(name, kind)
  const help = format === 'openMetrics' ? quoted(description) : escaped(description)
  return `# HELP ${family} ${help}\n# TYPE ${family} ${kind}\n`
}

/** A function that writes the lines of a series. Only OpenMetrics has exemplars. */
function linesOf(
  { name, kind, boundaries, hasSum }: MetricReading,
  format: Format,
): (series: Series) => string {
  const sample = sampleName(name, kind)
  const noted = (exemplar: Exemplar | undefined): string =>
    exemplar === undefined || format !== 'openMetrics' || kind === 'gauge' ? '' : exemplarText(exemplar)
  if (kind !== 'histogram') {
    return ({ labels, values, exemplars }) =>
      `${sample}${braces(labels)} ${numberText(values[0]!)}${noted(exemplars?.[0])}\n`
  }
  const bounds = [...boundaries.map(String), '+Inf'].map((bound) => `le="${bound}"} `)
  return ({ labels, values, exemplars }) => {
    const own = labelText(labels)
    const begin = `${sample}_bucket{${own}${own === '' ? '' : ','}`
    let text = ''
    let count = 0
    for (let i = 0; i < bounds.length; i++) {
      count += values[i]!
      text += `${begin}${bounds[i]!}${count}${noted(exemplars?.[i])}\n`
    }
    const end = braces(labels)
    if (hasSum) text += `${sample}_sum${end} ${numberText(values[bounds.length]!)}\n`
    return `${text}${sample}_count${end} ${count}\n`
  }
}

function exemplarText({ labels, value, time }: Exemplar): string {
  const at = time === undefined ? '' : ` ${(time / 1000).toFixed(3)}`
  return ` # {${labelText(labels)}} ${numberText(value)}${at}`
}

const familyOf = (name: string, kind: MetricReading['kind']): string =>
  kind === 'counter' ? sanitized(name).replace(/_total$/, '') : sanitized(name)

const sampleName = (name: string, kind: MetricReading['kind']): string =>
  kind === 'counter' ? `${familyOf(name, kind)}_total` : sanitized(name)

const sanitized = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, '_')

/** A series has the same labels as long as it lives, so they are written once. */
const texts = new WeakMap<Labels, string>()

function labelText(labels: Labels): string {
  let text = texts.get(labels)
  if (text === undefined) {
    text = Object.entries(labels)
      .map(([name, value]) => `${sanitized(name)}="${quoted(String(value))}"`)
      .join(',')
    texts.set(labels, text)
  }
  return text
}

function braces(labels: Labels): string {
  const text = labelText(labels)
  return text === '' ? '' : `{${text}}`
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')

const quoted = (text: string): string => escaped(text).replaceAll('"', '\\"')

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
