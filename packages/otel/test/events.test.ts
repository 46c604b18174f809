import { execFileSync } from 'node:child_process'
import { logEvents, toAttributes, traceEvents } from '@libbpf-node/otel'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { BpfObject, type RingBuffer } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import root from 'otlp-schema/build/src/generated/root.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/helpers/until.js'

const program = `
interface Event { begin: u64; end: u64; pid: u32; comm: char<16> }
export const events = ringbuf<Event>(65536)
export const onExec = rawTp('sched_process_exec', (task) => {
  const now = bpf.ktimeGetNs()
  events.emit({ begin: now - 5000000, end: now, pid: task.tgid, comm: task.comm })
  return 0
})
export const license = 'GPL'
`

interface Span {
  name: string
  startTimeUnixNano: unknown
  endTimeUnixNano: unknown
  attributes: { key: string }[]
}
const traces = (
  root as unknown as {
    opentelemetry: { proto: { collector: { trace: { v1: { ExportTraceServiceRequest: Schema } } } } }
  }
).opentelemetry.proto.collector.trace.v1
interface Schema {
  decode(bytes: Uint8Array): { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }
}

interface Event {
  begin: bigint
  end: bigint
  pid: number
  comm: string
}

describe('events', () => {
  let object: BpfObject
  let ring: RingBuffer<Event>
  beforeEach(async () => {
    object = BpfObject.open(compile(program).object, { name: 'events' })
    await object.load()
    ring = object.ringBuffer<Event>('events', 'Event')
    object.attach()
  })
  afterEach(() => {
    ring.close()
    object.close()
  })

  it('become log records, with the time at which they happened', async () => {
    const exporter = new InMemoryLogRecordExporter()
    const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] })
    logEvents(ring, provider.getLogger('test'), { name: 'process.exec', time: ({ end }) => end })
    const before = Date.now()
    execFileSync('/bin/true')
    const found = () => exporter.getFinishedLogRecords().find(({ attributes }) => attributes.comm === 'true')
    await until('the record is there', () => found() !== undefined)
    const { eventName, severityNumber, hrTime, attributes } = found()!
    expect({ eventName, severityNumber }).toEqual({ eventName: 'process.exec', severityNumber: 9 })
    expect(attributes.pid).toBeGreaterThan(0)
    const at = hrTime[0] * 1000 + hrTime[1] / 1e6
    expect(at).toBeGreaterThan(before - 1000)
    expect(at).toBeLessThan(Date.now() + 1000)
    await provider.shutdown()
  })

  it('become spans, with begin and end', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    traceEvents(ring, provider.getTracer('test'), {
      name: ({ comm }) => `exec ${comm}`,
      begin: ({ begin }) => begin,
      end: ({ end }) => end,
      attributes: ({ pid }) => ({ 'process.pid': pid }),
      error: ({ pid }) => (pid > 0 ? 'a reason' : undefined),
    })
    execFileSync('/bin/true')
    const found = () => exporter.getFinishedSpans().find(({ name }) => name === 'exec true')
    await until('the span is there', () => found() !== undefined)
    const { duration, status, attributes } = found()!
    expect(duration).toEqual([0, 5_000_000])
    expect(status).toEqual({ code: 2, message: 'a reason' })
    expect(Object.keys(attributes)).toEqual(['process.pid'])
    // In OpenTelemetry's protocol, decoded with the code that is generated from its schema.
    const bytes = ProtobufTraceSerializer.serializeRequest([found()!])!
    const { resourceSpans } = traces.ExportTraceServiceRequest.decode(bytes)
    const [span] = resourceSpans[0]!.scopeSpans[0]!.spans
    expect(span).toMatchObject({ name: 'exec true', status: { code: 2, message: 'a reason' } })
    const took = BigInt(String(span!.endTimeUnixNano)) - BigInt(String(span!.startTimeUnixNano))
    expect(took).toBe(5_000_000n)
    expect(span!.attributes).toMatchObject([{ key: 'process.pid' }])
    await provider.shutdown()
  })
})

describe('toAttributes', () => {
  it('has names for members of structs, and values that OpenTelemetry knows', () => {
    const event = {
      pid: 1,
      big: 2n ** 60n,
      small: 3n,
      comm: 'sh',
      address: { port: 80 },
      mac: Uint8Array.of(1, 255),
      list: [1n, 2n],
    }
    expect(toAttributes(event)).toEqual({
      pid: 1,
      big: '1152921504606846976',
      small: 3,
      comm: 'sh',
      'address.port': 80,
      mac: '01ff',
      list: '[1,2]',
    })
  })
})
