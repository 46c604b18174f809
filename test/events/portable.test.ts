import { PerfBuffer, RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { open } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { onlineCpus, runOn } from './cpus.js'
import { upTo } from './rings.js'

interface PortableRecord {
  number: bigint
  name: string
}

describe.each([
  { through: 'a ring buffer', usePerf: 0, reader: RingBuffer, type: 'ringbuf' },
  { through: 'a perf buffer', usePerf: 1, reader: PerfBuffer, type: 'perf_event_array' },
])('LIBBPF_NODE_EVENTS through $through', ({ usePerf, reader, type }) => {
  it('delivers the same records to the same code', async () => {
    using object = open('events-portable')
    if (usePerf === 1) object.rodata.events_use_perf = 1
    await object.load()
    expect(object.map('events').info().type).toBe(type)
    using events = object.events<PortableRecord>('events', 'record')
    expect(events).toBeInstanceOf(reader)
    const seen: PortableRecord[] = []
    events.on((record) => seen.push(record))
    runOn(onlineCpus[0]!, object, 'produce', 20)
    await until('all have come', () => seen.length === 20)
    expect(seen.map(({ number }) => Number(number))).toEqual(upTo(20))
    expect(new Set(seen.map(({ name }) => name))).toEqual(new Set(['portable']))
  })

  it('delivers bytes without a type, and can only be opened after load', () => {
    using object = open('events-portable')
    object.rodata.events_use_perf = usePerf
    expect(() => object.events('events')).toThrow('it is not loaded yet')
    object.loadSync()
    using events = object.events('events')
    const seen: Uint8Array[] = []
    events.on((record) => seen.push(record))
    runOn(onlineCpus[0]!, object, 'produce', 1)
    expect(events.consume()).toBe(1)
    expect([...seen[0]!.subarray(0, 17)]).toEqual([...Array(8).fill(0), ...Buffer.from('portable'), 0])
  })
})
