// What the agent sends by OTLP, decoded with the code that OpenTelemetry generates from its schema. Debian's Prometheus and
// VictoriaMetrics take metrics (see receivers.test.ts); Debian has no receiver of logs.
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import root from 'otlp-schema/build/src/generated/root.js'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from './helpers/agent.js'

const program = `
import { array, bpf, rawTp, ringbuf, type char, type u32, type u64 } from 'libbpf-node/kernel'
interface Latency { slots: array<u64, 4>; sum: u64 }
interface Event { big: u64; pid: u32; comm: char<16>; path: array<u32, 2> }
export const execs = array<u64>(1)
export const latency = array<Latency>(1)
export const events = ringbuf<Event>(65536)
export const onExec = rawTp('sched_process_exec', (task) => {
  execs.add(0, 1)
  const found = latency.get(0)
  if (found) {
    found.slots[1] += 1
    found.sum += 3
  }
  const event = events.reserve()
  if (!event) return 0
  event.big = 0xffffffffffffffffn
  event.pid = task.tgid
  event.comm = task.comm
  event.path[0] = 1
  event.path[1] = 2
  events.submit(event)
  return 0
})
export const license = 'GPL'
`

interface Value {
  stringValue?: string
  intValue?: number | bigint
  doubleValue?: number
}
interface Attribute {
  key: string
  value: Value
}
interface LogRecord {
  eventName: string
  severityNumber: number
  timeUnixNano: unknown
  attributes: Attribute[]
}
interface Message {
  resourceLogs: {
    resource: { attributes: Attribute[] }
    scopeLogs: { scope: { name: string }; logRecords: LogRecord[] }[]
  }[]
  resourceMetrics: {
    scopeMetrics: { metrics: { name: string; unit: string; sum?: Sum; histogram?: Histogram }[] }[]
  }[]
}
interface Sum {
  aggregationTemporality: number
  isMonotonic: boolean
  dataPoints: { asDouble: number }[]
}
interface Histogram {
  dataPoints: { count: unknown; sum: number; bucketCounts: unknown[]; explicitBounds: number[] }[]
}
interface Schema {
  decode(bytes: Uint8Array): Message
}

interface Service<Name extends string> {
  v1: Record<Name, Schema>
}
const { collector } = (
  root as unknown as {
    opentelemetry: {
      proto: {
        collector: {
          logs: Service<'ExportLogsServiceRequest'>
          metrics: Service<'ExportMetricsServiceRequest'>
        }
      }
    }
  }
).opentelemetry.proto
const schemas: Record<string, Schema> = {
  '/v1/logs': collector.logs.v1.ExportLogsServiceRequest,
  '/v1/metrics': collector.metrics.v1.ExportMetricsServiceRequest,
}

/** Takes requests by OTLP over HTTP, and refuses those that do not fit the schema. */
class Receiver implements AsyncDisposable {
  readonly requests: { path: string; headers: Record<string, unknown>; message: Message }[] = []
  readonly refused: string[] = []
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url: path = '', headers } = request
      try {
        if (headers['content-type'] !== 'application/x-protobuf')
          throw new Error(String(headers['content-type']))
        this.requests.push({ path, headers, message: schemas[path]!.decode(Buffer.concat(chunks)) })
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      } catch (error) {
        this.refused.push(`${path}: ${String(error)}`)
        response.writeHead(400).end()
      }
    })
  })

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const plain = (attributes: Attribute[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? (value.intValue === undefined ? value.doubleValue : Number(value.intValue)),
    ]),
  )

describe('the agent', () => {
  useTracefs()
  it("sends events and metrics in the form of OpenTelemetry's schema", async () => {
    using folder = new Folder()
    await using receiver = await Receiver.start()
    folder.write('execs.bpf.ts', program)
    const text = `
listen: 127.0.0.1:0
resource: { service.name: test }
programs:
  - file: execs.bpf.ts
    metrics:
      counters: [{ name: execs_total, help: Programs, map: execs }]
      histograms: [{ name: took, help: Time, map: latency, bucket_type: exp2, bucket_max: 3 }]
    events: [{ map: events, type: Event, name: process.exec }]
outputs:
  otlp: { endpoint: '${receiver.address}/', metrics_interval: 1, headers: { x-key: secret } }
`
    const agent = await RunningAgent.start(folder.write('agent.yaml', text))
    // Before the receiver, which gets the last metrics.
    await using _ = { [Symbol.asyncDispose]: async () => void (await agent.stop()) }
    const before = Date.now()
    execFileSync('/bin/true')
    const logs = () =>
      receiver.requests.flatMap(({ message: { resourceLogs = [] } }) =>
        resourceLogs.flatMap(({ resource, scopeLogs }) =>
          scopeLogs.flatMap(({ scope, logRecords }) =>
            logRecords.map((record) => ({ resource, scope, record, attributes: plain(record.attributes) })),
          ),
        ),
      )
    const found = () => logs().find(({ attributes }) => attributes.comm === 'true')
    await agent.until('the event is there', () => found() !== undefined)
    const { resource, scope, record, attributes } = found()!
    expect(plain(resource.attributes)).toMatchObject({ 'service.name': 'test', 'host.name': hostname() })
    expect(scope.name).toBe('@libbpf-node/agent')
    expect(record).toMatchObject({ eventName: 'process.exec', severityNumber: 9 })
    expect(Math.abs(Number(String(record.timeUnixNano)) / 1e6 - before)).toBeLessThan(60_000)
    expect(attributes).toMatchObject({ big: String(2n ** 64n - 1n), path: '[1,2]', 'bpf.program': 'execs' })
    expect(attributes.pid).toBeGreaterThan(0)

    const metrics = () =>
      receiver.requests.flatMap(({ message: { resourceMetrics = [] } }) =>
        resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics: all }) => all)),
      )
    const newest = (name: string) => metrics().findLast((metric) => metric.name === name)
    const isCounted = () => (newest('execs_total')?.sum?.dataPoints[0]?.asDouble ?? 0) > 0
    await agent.until('the metrics are there', isCounted)
    const cumulative = 2
    expect(newest('execs_total')!.sum).toMatchObject({
      aggregationTemporality: cumulative,
      isMonotonic: true,
    })
    const [point] = newest('took')!.histogram!.dataPoints
    const count = Number(String(point!.count))
    expect(point!.explicitBounds).toEqual([2, 4, 8])
    expect(point!.bucketCounts.map((bucket) => Number(String(bucket)))).toEqual([0, count, 0, 0])
    expect(point!.sum).toBe(3 * count)
    expect(receiver.requests.every(({ headers }) => headers['x-key'] === 'secret')).toBe(true)
    expect(receiver.refused).toEqual([])
  })
})
