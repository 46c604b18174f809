import { BpfMetrics, type Metric, type Series } from '@libbpf-node/otel'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test/helpers/until.js'
import { Health } from '../lib/health.js'
import { type Format, formatFor, writeMetrics } from '../lib/prometheus.js'
import { serve } from '../lib/server.js'
import { Folder } from './helpers/agent.js'
import { Prometheus, requiresReceiver } from './helpers/receivers.js'

/** A metric with these series. */
function metricOf(kind: Metric['kind'], name: string, series: Series[], boundaries: number[] = []): Metric {
  const about = { name, kind, unit: '', description: 'What "it" is,\nwith a \\' }
  return { ...about, read: async () => ({ ...about, boundaries, hasSum: boundaries.length > 0, series }) }
}

const at = 1_700_000_000_123
const taken = { labels: { trace_id: 'abc' }, value: 0.3, time: at }
const examples = [
  metricOf('counter', 'tcp.calls', [
    { labels: { path: 'C:\\a"b\nc', 'http.status': 200, ok: true }, values: [3] },
    { labels: {}, values: [2 ** 60], exemplars: [{ labels: { pid: 7 }, value: 1 }] },
  ]),
  metricOf('gauge', 'level', [
    { labels: { a: 1 }, values: [Number.NaN] },
    { labels: { a: 2 }, values: [Number.POSITIVE_INFINITY] },
    { labels: { a: 3 }, values: [-0.5] },
  ]),
  metricOf(
    'histogram',
    'took_seconds',
    [
      { labels: { op: 'read' }, values: [1, 2, 0, 0.75], exemplars: [undefined, taken] },
      { labels: {}, values: [0, 0, 1, 9] },
    ],
    [0.25, 0.5],
  ),
]

function metricsOf(all: readonly Metric[]): BpfMetrics {
  const metrics = new BpfMetrics()
  for (const metric of all) metrics.add(metric)
  return metrics
}

const write = (format: Format): Promise<string> => writeMetrics(metricsOf(examples), format)

describe('the text of metrics', () => {
  it("is Prometheus' format for those who do not ask for another", async () => {
    expect(formatFor(undefined)).toBe('prometheus')
    expect(await write('prometheus')).toBe(`# HELP tcp_calls_total What "it" is,\\nwith a \\\\
# TYPE tcp_calls_total counter
tcp_calls_total{path="C:\\\\a\\"b\\nc",http_status="200",ok="true"} 3
tcp_calls_total 1152921504606847000
# HELP level What "it" is,\\nwith a \\\\
# TYPE level gauge
level{a="1"} NaN
level{a="2"} +Inf
level{a="3"} -0.5
# HELP took_seconds What "it" is,\\nwith a \\\\
# TYPE took_seconds histogram
took_seconds_bucket{op="read",le="0.25"} 1
took_seconds_bucket{op="read",le="0.5"} 3
took_seconds_bucket{op="read",le="+Inf"} 3
took_seconds_sum{op="read"} 0.75
took_seconds_count{op="read"} 3
took_seconds_bucket{le="0.25"} 0
took_seconds_bucket{le="0.5"} 0
took_seconds_bucket{le="+Inf"} 1
took_seconds_sum 9
took_seconds_count 1
# HELP libbpf_node_agent_failed_metrics Metrics that could not be read this time
# TYPE libbpf_node_agent_failed_metrics gauge
`)
  })

  it('has exemplars in OpenMetrics', async () => {
    expect(formatFor('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')).toBe('openMetrics')
    const lines = (await write('openMetrics')).split('\n')
    expect(lines.slice(0, 2)).toEqual([
      '# HELP tcp_calls What \\"it\\" is,\\nwith a \\\\',
      '# TYPE tcp_calls counter',
    ])
    expect(lines).toContain('tcp_calls_total 1152921504606847000 # {pid="7"} 1')
    expect(lines).toContain('took_seconds_bucket{op="read",le="0.5"} 3 # {trace_id="abc"} 0.3 1700000000.123')
    expect(lines.slice(-2)).toEqual(['# EOF', ''])
  })

  it('is compressed for those who take that', async () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ labels: { i }, values: [i] }))
    const served = { metrics: metricsOf([metricOf('gauge', 'level', many)]), health: new Health() }
    const { server, address } = await serve('127.0.0.1:0', served)
    try {
      const get = (encoding: string) =>
        fetch(`http://${address}/metrics`, { headers: { 'accept-encoding': encoding } })
      const packed = await get('gzip')
      const plain = await get('identity')
      expect(packed.headers.get('content-encoding')).toBe('gzip')
      expect(plain.headers.get('content-encoding')).toBe(null)
      expect(Number(packed.headers.get('content-length'))).toBeLessThan(
        Number(plain.headers.get('content-length')) / 2,
      )
      expect(await packed.text()).toBe(await plain.text())
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  requiresReceiver('prometheus', 'is understood by Prometheus, with its exemplars', async () => {
    using folder = new Folder()
    const served = { metrics: metricsOf(examples), health: new Health() }
    const { server, address } = await serve('127.0.0.1:0', served)
    const scrape = `[{ job_name: agent, static_configs: [{ targets: ['${address}'] }] }]`
    try {
      await using prometheus = await Prometheus.start(
        folder,
        `global: { scrape_interval: 1s }\nscrape_configs: ${scrape}\n`,
        ['--enable-feature=exemplar-storage'],
      )
      const calls = 'tcp_calls_total{http_status="200"}'
      await until('it has scraped', async () => (await prometheus.query(calls)).length > 0, { seconds: 30 })
      const [found] = await prometheus.query(calls)
      expect(found!.metric).toMatchObject({ path: 'C:\\a"b\nc', ok: 'true' })
      expect((await prometheus.query('level{a="2"}'))[0]!.value[1]).toBe('+Inf')
      expect(await prometheus.exemplars('took_seconds_bucket', at)).toMatchObject([
        { labels: { trace_id: 'abc' }, value: '0.3' },
      ])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})
