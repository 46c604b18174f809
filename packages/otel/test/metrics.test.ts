import { BpfMetrics, explicitBuckets, log2Buckets } from '@libbpf-node/otel'
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

// Maps as programs have them, which the tests fill.
const program = `
interface Key { pid: u32; operation: u32 }
interface Latency { slots: array<u64, 4>; sum: u64 }
export const counts = hash<u32, u64>(16384)
export const keyed = hash<Key, u64>(64)
export const perCpu = percpuHash<u32, u64>(64)
export const latency = percpuArray<Latency>(1)
export const slots = hash<u32, u64>(64)
export const touch = rawTp('sched_switch', () => {
  const key: Key = { pid: 1, operation: 2 }
  keyed.get(key)
  counts.get(0)
  perCpu.get(0)
  slots.get(0)
  latency.get(0)
  return 0
})
export const license = 'GPL'
`

/** A reader that collects when asked. */
class TestReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

describe('BpfMetrics', () => {
  let object: BpfObject
  let metrics: BpfMetrics
  const map = <K, V>(name: string) => object.map<K, V>(name)

  beforeAll(async () => {
    object = BpfObject.open(compile(program).object, { name: 'metrics' })
    await object.load()
  })
  afterAll(() => object.close())
  beforeEach(() => {
    metrics = new BpfMetrics()
    for (const name of ['counts', 'keyed', 'perCpu', 'slots']) object.map(name).clear()
  })

  const read = async (name: string): Promise<[object, number[]][]> => {
    const { metrics: all, errors } = await metrics.read()
    expect(errors).toEqual([])
    const found = all.find((metric) => metric.name === name)!
    // Hash tables have no order.
    return [...found.series]
      .map(({ labels, values }): [object, number[]] => [labels, [...values]])
      .sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }

  it('adds the keys that have the same labels', async () => {
    const keyed = map<{ pid: number; operation: number }, bigint>('keyed')
    keyed
      .set({ pid: 1, operation: 0 }, 3n)
      .set({ pid: 2, operation: 0 }, 4n)
      .set({ pid: 1, operation: 1 }, 5n)
    metrics.counter({ name: 'ops', map: keyed, labels: ({ operation }) => ({ operation }) })
    expect(await read('ops')).toEqual([
      [{ operation: 0 }, [7]],
      [{ operation: 1 }, [5]],
    ])
  })

  it('does not count down when a key is deleted, or made anew', async () => {
    const counts = map<number, bigint>('counts').set(1, 10n).set(2, 5n)
    metrics.counter({ name: 'events', map: counts })
    metrics.gauge({ name: 'now', map: counts })
    expect(await read('events')).toEqual([[{}, [15]]])
    counts.delete(2)
    counts.set(1, 12n)
    expect(await read('events')).toEqual([[{}, [17]]])
    expect(await read('now')).toEqual([[{}, [12]]])
    counts.set(1, 3n)
    expect(await read('events')).toEqual([[{}, [20]]])
  })

  it('sums the values of all CPUs', async () => {
    const perCpu = map<number, bigint[]>('perCpu')
    const cpus = object.map<number, bigint[]>('latency').get(0)!.length
    perCpu.set(
      1,
      Array.from({ length: cpus }, () => 2n),
    )
    metrics.counter({ name: 'packets', map: perCpu, scale: 0.5 })
    expect(await read('packets')).toEqual([[{}, [cpus]]])
  })

  it('puts what is beyond the limit into one series', async () => {
    const counts = map<number, bigint>('counts').setMany([1, 2, 3, 4, 5].map((pid) => [pid, BigInt(pid)]))
    metrics.counter({ name: 'calls', map: counts, labels: (pid) => ({ pid }), maxSeries: 2 })
    const series = await read('calls')
    expect(series).toHaveLength(3)
    expect(series.map(([labels]) => labels)).toContainEqual({ pid: 'other' })
    expect(series.reduce((sum, [, [value]]) => sum + value!, 0)).toBe(15)
  })

  it('gives the place of a series that has ended to a new one', async () => {
    const counts = map<number, bigint>('counts').set(1, 1n)
    metrics.counter({ name: 'calls', map: counts, labels: (pid) => ({ pid }), maxSeries: 1 })
    await read('calls')
    counts.delete(1)
    // It is still reported: Prometheus may not have seen its last value.
    expect(await read('calls')).toEqual([[{ pid: 1 }, [1]]])
    counts.set(2, 7n)
    expect(await read('calls')).toEqual([[{ pid: 2 }, [7]]])
  })

  it('keeps the series that changed most recently, and adds up the others', async () => {
    const counts = map<number, bigint>('counts').setMany([
      [1, 10n],
      [2, 20n],
      [3, 30n],
    ])
    const metric = metrics.counter({ name: 'calls', map: counts, labels: (pid) => ({ pid }), maxSeries: 2 })
    const minute = 60_000
    const readAt = async (minutes: number): Promise<Record<string, number>> => {
      const { series } = await metric.read(minutes * minute)
      return Object.fromEntries([...series].map(({ labels, values }) => [String(labels.pid), values[0]!]))
    }
    const first = await readAt(0)
    const own = Object.keys(first).filter((pid) => pid !== 'other')
    expect(own).toHaveLength(2)
    const [left] = ['1', '2', '3'].filter((pid) => !own.includes(pid))
    expect(first.other).toBe(Number(left) * 10)
    const [busy, idle] = own
    const count = (pid: string | undefined, value: bigint) => counts.set(Number(pid), value)
    // Both change, so the third one stays among the others.
    count(busy, 100n)
    count(idle, 100n)
    count(left, 100n)
    expect(await readAt(1)).toEqual({ [busy!]: 100, [idle!]: 100, other: 100 })
    count(busy, 101n)
    expect(await readAt(2)).toEqual({ [busy!]: 101, [idle!]: 100, other: 100 })
    // One has not changed for a minute. The other one begins with what it counts from now on.
    count(busy, 102n)
    count(left, 105n)
    expect(await readAt(2.5)).toEqual({ [busy!]: 102, [left!]: 5, other: 100 })
    // What the idle one counts again is not lost.
    count(busy, 103n)
    count(idle, 107n)
    expect(await readAt(2.6)).toEqual({ [busy!]: 103, [left!]: 5, other: 107 })
  })

  it('adds the present value of an evicted series to the others', async () => {
    const counts = map<number, bigint>('counts').set(1, 10n)
    const metric = metrics.gauge({ name: 'open', map: counts, labels: (pid) => ({ pid }), maxSeries: 1 })
    const readAt = async (minutes: number) =>
      Object.fromEntries(
        [...(await metric.read(minutes * 60_000)).series].map(({ labels, values }) => [
          labels.pid,
          values[0],
        ]),
      )
    expect(await readAt(0)).toEqual({ 1: 10 })
    counts.set(2, 5n)
    expect(await readAt(2)).toEqual({ 2: 5, other: 10 })
    expect(await readAt(2.5)).toEqual({ 2: 5, other: 10 })
  })

  it('notes exemplars of entries that have changed, in their bucket', async () => {
    const slots = map<number, bigint>('slots').set(0, 4n).set(2, 1n)
    let asked = 0
    metrics.histogram({
      name: 'size',
      map: slots,
      slot: (slot) => slot,
      buckets: explicitBuckets([10, 100]),
      exemplar: (_, slot) => {
        asked++
        return { labels: { pid: slot + 1 }, value: slot * 60, time: process.hrtime.bigint() }
      },
    })
    const exemplars = async () => [...(await metrics.read()).metrics[0]!.series][0]!.exemplars
    const found = await exemplars()
    expect(found).toMatchObject([
      { labels: { pid: 1 }, value: 0 },
      undefined,
      { labels: { pid: 3 }, value: 120 },
    ])
    expect(Math.abs(Date.now() - found![0]!.time!)).toBeLessThan(60_000)
    expect(asked).toBe(2)
    slots.set(2, 2n)
    await exemplars()
    expect(asked).toBe(3)
  })

  it('forgets a series after its time', async () => {
    const counts = map<number, bigint>('counts').set(1, 1n)
    metrics.counter({ name: 'calls', map: counts, labels: (pid) => ({ pid }), staleAfter: 0 })
    await read('calls')
    counts.delete(1)
    expect(await read('calls')).toEqual([])
  })

  it('reads histograms from arrays of slots', async () => {
    const latency = map<number, { slots: bigint[]; sum: bigint }[]>('latency')
    latency.set(
      0,
      latency.get(0)!.map(() => ({ slots: [1n, 0n, 2n, 1n], sum: 30n })),
    )
    const cpus = latency.get(0)!.length
    metrics.histogram({
      name: 'wait',
      unit: 's',
      map: latency,
      buckets: log2Buckets(4, { scale: 1e-6 }),
      sumScale: 1e-6,
    })
    const [[, values]] = (await read('wait')) as [[object, number[]]]
    expect(values.slice(0, 4)).toEqual([cpus, 0, 2 * cpus, cpus])
    expect(values[4]).toBeCloseTo(30e-6 * cpus)
    expect((await metrics.read()).metrics[0]!.boundaries).toEqual([0.000002, 0.000004, 0.000008])
  })

  it('reads histograms that have an entry for each slot', async () => {
    const slots = map<number, bigint>('slots').set(0, 4n).set(2, 1n).set(9, 2n)
    metrics.histogram({ name: 'size', map: slots, slot: (slot) => slot, buckets: explicitBuckets([10, 100]) })
    expect(await read('size')).toEqual([[{}, [4, 0, 3, 0]]])
  })

  it('reports a metric that cannot be read, and reads the others', async () => {
    const latency = map<number, unknown>('latency')
    metrics.counter({ name: 'broken', map: latency })
    metrics.counter({ name: 'fine', map: map<number, bigint>('counts').set(1, 1n) })
    const { metrics: all, errors } = await metrics.read()
    expect(all.map(({ name }) => name)).toEqual(['fine'])
    expect(String(errors[0]!.error)).toContain("map 'latency': its values are not numbers")
  })

  it('is a producer for readers of the SDK', async () => {
    metrics.counter({
      name: 'calls',
      unit: '1',
      map: map<number, bigint>('counts').set(1, 5n),
      labels: (pid) => ({ pid }),
    })
    metrics.histogram({
      name: 'size',
      map: map<number, bigint>('slots').set(1, 2n),
      slot: (s) => s,
      buckets: explicitBuckets([1]),
    })
    const reader = new TestReader({ metricProducers: [metrics] })
    const provider = new MeterProvider({ readers: [reader] })
    const { resourceMetrics, errors } = await reader.collect()
    expect(errors).toEqual([])
    const [calls, size] = resourceMetrics.scopeMetrics[0]!.metrics
    expect(calls).toMatchObject({
      descriptor: { name: 'calls', unit: '1' },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
      dataPoints: [{ attributes: { pid: 1 }, value: 5 }],
    })
    expect(size).toMatchObject({
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: [{ value: { count: 2, buckets: { boundaries: [1], counts: [0, 2] } } }],
    })
    await provider.shutdown()
  })

  it('makes observable instruments of counters and gauges', async () => {
    metrics.counter({
      name: 'calls',
      map: map<number, bigint>('counts').set(1, 5n),
      labels: (pid) => ({ pid }),
    })
    metrics.gauge({ name: 'open', map: map<number, bigint>('slots').set(1, 2n) })
    const reader = new TestReader()
    const provider = new MeterProvider({ readers: [reader] })
    const stop = metrics.register(provider.getMeter('test'))
    const data = async () =>
      (await reader.collect()).resourceMetrics.scopeMetrics.flatMap(({ metrics: all }) =>
        all.map(({ descriptor, dataPoints }) => [
          descriptor.name,
          dataPoints[0]?.value,
          dataPoints[0]?.attributes,
        ]),
      )
    expect(await data()).toEqual([
      ['calls', 5, { pid: 1 }],
      ['open', 2, {}],
    ])
    stop()
    await provider.shutdown()
  })

  it('reads 10,000 series in turns of the event loop', async () => {
    const counts = map<number, bigint>('counts')
    counts.setMany(Array.from({ length: 10_000 }, (_, pid) => [pid, 1n]))
    metrics.counter({ name: 'calls', map: counts, labels: (pid) => ({ pid }), maxSeries: 20_000 })
    let turns = 0
    const count = (): void => {
      turns++
      next = setImmediate(count)
    }
    let next = setImmediate(count)
    expect(await read('calls')).toHaveLength(10_000)
    clearImmediate(next)
    expect(turns).toBeGreaterThan(4)
  })

  it('refuses two metrics with one name', () => {
    const counts = map<number, bigint>('counts')
    metrics.counter({ name: 'calls', map: counts })
    expect(() => metrics.gauge({ name: 'calls', map: counts })).toThrow('there is a metric calls already')
  })
})
