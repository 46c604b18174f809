// The agent with a real Prometheus, which scrapes it, and a real VictoriaMetrics, which receives OpenTelemetry's protocol.
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useTracefs } from '../../../test/helpers/privileged.js'
import { until } from '../../../test/helpers/until.js'
import { Folder, RunningAgent } from './helpers/agent.js'
import { Prometheus, requiresReceiver, VictoriaMetrics } from './helpers/receivers.js'

const collections = 'programs:\n  - use: runqlat\n  - use: biolatency\n  - use: cachestat\n'
const execs = `
import { rawTp, ringbuf, type u32 } from 'libbpf-node/kernel'
interface Event { pid: u32 }
export const events = ringbuf<Event>(65536)
export const onExec = rawTp('sched_process_exec', (task) => {
  events.emit({ pid: task.tgid })
  return 0
})
export const license = 'GPL'
`
const inTime = { seconds: 30 }

describe('the metrics of the agent', () => {
  useTracefs()
  let folder: Folder
  let agent: RunningAgent | undefined
  beforeEach(() => {
    folder = new Folder()
  })
  afterEach(async () => {
    await agent?.stop()
    folder[Symbol.dispose]()
  })

  const start = async (config: string, programs = collections): Promise<void> => {
    agent = await RunningAgent.start(folder.write('agent.yaml', `listen: 127.0.0.1:0\n${config}${programs}`))
  }

  requiresReceiver(
    'prometheus',
    'are scraped by Prometheus, which answers with quantiles and rates',
    async () => {
      await start('')
      const scrape = `[{ job_name: agent, static_configs: [{ targets: ['${agent!.address}'] }] }]`
      const config = `global: { scrape_interval: 1s }\nscrape_configs: ${scrape}\n`
      await using prometheus = await Prometheus.start(folder, config)
      const p99 = 'histogram_quantile(0.99, sum by (le) (rate(run_queue_latency_seconds_bucket[10s])))'
      await until('there is a quantile', async () => (await prometheus.number(p99)) > 0, inTime)
      expect(await prometheus.number(p99)).toBeLessThan(60)
      expect(await prometheus.targets()).toMatchObject([{ health: 'up', lastError: '' }])
      expect(
        await prometheus.number('run_queue_latency_seconds_sum / run_queue_latency_seconds_count'),
      ).toBeGreaterThan(0)
      expect(await prometheus.number('sum(libbpf_node_agent_lost_records_total)')).toBe(0)
    },
  )

  requiresReceiver(
    'victoria-metrics',
    "are sent by OpenTelemetry's protocol to VictoriaMetrics",
    async () => {
      await using receiver = await VictoriaMetrics.start(folder)
      await start(
        `resource: { service.name: node-level }\noutputs:\n  otlp: { endpoint: '${receiver.otlp}', metrics_interval: 1 }\n`,
      )
      await until(
        'the metrics have arrived',
        async () => (await receiver.query('run_queue_latency_seconds_count')).length > 0,
        inTime,
      )
      const [first] = await receiver.query('run_queue_latency_seconds_count')
      expect(first!.metric).toMatchObject({ 'service.name': 'node-level' })
      expect(Number(first!.value[1])).toBeGreaterThan(0)
      const buckets = await receiver.query('run_queue_latency_seconds_bucket')
      expect(buckets.map(({ metric }) => metric.le)).toContain('0.000002')
    },
  )

  requiresReceiver('victoria-metrics', 'count the events that the receiver did not take', async () => {
    await using receiver = await VictoriaMetrics.start(folder)
    folder.write('execs.bpf.ts', execs)
    const events = '  - file: execs.bpf.ts\n    events: [{ map: events, type: Event }]\n'
    // VictoriaMetrics has no logs.
    const outputs = `outputs:\n  otlp: { endpoint: '${receiver.otlp}', metrics_interval: 0 }\n`
    await start(outputs, `programs:\n${events}`)
    execFileSync('/bin/true')
    const failed = 'libbpf_node_agent_failed_events_total{output="otlp"}'
    const sent = 'libbpf_node_agent_events_total{output="otlp"}'
    await agent!.until('they are counted', async () => (await agent!.metrics()).get(failed)! > 0)
    expect((await agent!.metrics()).get(sent)).toBeGreaterThan(0)
    expect(agent!.log).toContain('events were not received')
  })

  it('lead to a line in the log if nobody receives them', async () => {
    await start("outputs:\n  otlp: { endpoint: 'http://127.0.0.1:1', metrics_interval: 1 }\n")
    await agent!.until('it complains', () => agent!.log.includes('"msg":"OpenTelemetry"'))
  })
})
