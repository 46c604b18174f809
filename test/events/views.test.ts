import { inspect } from 'node:util'
import { type BpfObject, Btf, type RecordView, RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load, objectPath, thrownBy } from '../helpers/objects.js'
import { type Numbered, Rings } from './rings.js'

interface MapInfo {
  type: number
  id: number
  name: string
  netns_dev: bigint
}

const packet = new Uint8Array(64)
const btf = Btf.fromKernel()
const codec = btf.codec<MapInfo>('bpf_map_info')

/** Writes a `struct bpf_map_info` to the ring. */
function write(object: BpfObject, info: Partial<MapInfo>): MapInfo {
  const record = { ...codec.decodeBytes(new Uint8Array(codec.size)), ...info }
  const bytes = new Uint8Array(64 << 10)
  bytes.set(codec.encodeBytes(record))
  object.bss.bytes = bytes
  object.bss.size = codec.size
  expect(object.program('output').testRunSync({ data: packet }).retval).toBe(0)
  return record
}

const ringOf = (object: BpfObject) => new RingBuffer<MapInfo>(object.map('events'), { codec })

describe('EventReader.onView', () => {
  it('passes one object that reads each record in place', () => {
    using object = load('events-sizes')
    using ring = ringOf(object)
    const seen = new Set<object>()
    const read: unknown[] = []
    ring.onView((view) => {
      seen.add(view)
      read.push([view.type, view.id, String(view.name), view.netns_dev])
    })
    write(object, { type: 7, id: 0xffffffff, name: 'nginx', netns_dev: 2n ** 64n - 1n })
    write(object, { type: 8, id: 1, name: 'sixteen_letters!', netns_dev: 3n })
    expect(ring.consume()).toBe(2)
    expect(read).toEqual([
      [7, 0xffffffff, 'nginx', 2n ** 64n - 1n],
      [8, 1, 'sixteen_letters!', 3n],
    ])
    expect(seen.size).toBe(1)
  })

  it('compares strings in place', () => {
    using object = load('events-sizes')
    using ring = ringOf(object)
    const texts = [
      '',
      'n',
      'nginx',
      'nginx2',
      'ngin',
      'Nginx',
      'nginx\0',
      'sixteen_letters!',
      'sixteen_letters!!',
    ]
    const others = ['grün', 'gr\udcfc', 'gr', 'grünes']
    const names = ['', 'nginx', 'sixteen_letters!', 'grün', 'gr\udcfcn']
    let name = ''
    let compared = 0
    ring.onView((view) => {
      for (const text of [...texts, ...others]) {
        expect(view.name.equals(text), `${name} ${text}`).toBe(name === text)
        expect(view.name.startsWith(text), `${name} ${text}`).toBe(name.startsWith(text))
      }
      expect(`${view.name}`).toBe(name)
      compared++
    })
    for (name of names) {
      write(object, { name })
      expect(ring.consume()).toBe(1)
    }
    expect(compared).toBe(names.length)
  })

  it('gives a copy of what is to be kept, which is the object that on() passes', () => {
    using object = load('events-sizes')
    using ring = ringOf(object)
    const written = [write(object, { id: 1, name: 'one' }), write(object, { id: 2, name: 'two' })]
    const kept: MapInfo[] = []
    ring.onView((view, copy) => {
      if (view.id === 2) kept.push(copy())
    })
    ring.consume()
    expect(kept).toEqual([written[1]])
  })

  it('prints as an object and as JSON', () => {
    using object = load('events-sizes')
    using ring = ringOf(object)
    write(object, { id: 5, name: 'shown' })
    let printed = ''
    let json = ''
    ring.onView((view) => {
      printed = inspect(view)
      json = JSON.stringify(view, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    })
    ring.consume()
    expect(printed).toMatch(/id: 5,.*name: shown/s)
    expect(JSON.parse(json)).toMatchObject({ id: 5, name: 'shown', netns_dev: '0' })
  })

  it('makes a view that cannot be changed, and throws when it is used later', () => {
    using object = load('events-sizes')
    using ring = ringOf(object)
    write(object, { id: 5 })
    let kept!: RecordView<MapInfo>
    let copyLater!: () => MapInfo
    let change: unknown
    ring.onView((view, copy) => {
      kept = view
      copyLater = copy
      change = thrownBy(() => Object.assign(view, { id: 6 }))
    })
    ring.consume()
    expect(change).toBeInstanceOf(TypeError)
    for (const use of [
      () => kept.id,
      () => kept.netns_dev,
      () => kept.name.equals('x'),
      () => `${kept.name}`,
      copyLater,
    ]) {
      expect(thrownBy(use)).toMatchObject({
        code: 'ERR_BPF_STATE',
        message: expect.stringContaining('only valid in the callback'),
      })
    }
  })

  it('throws for a record that is too short, and goes on with the next', async () => {
    const script = `
      import { Btf, BpfObject, RingBuffer } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.loadSync()
      const ring = new RingBuffer(object.map('events'), { codec: Btf.fromKernel().codec('bpf_map_info') })
      process.on('uncaughtException', (error) => console.log(error.message))
      for (const size of [8, 1024]) {
        object.bss.size = size
        object.program('output').testRunSync({ data: new Uint8Array(64) })
      }
      ring.onView(({ id }) => console.log('id', id))
      console.log(ring.consume())
      ring.close()
    `
    const { stdout } = await runChild(script, [objectPath('events-sizes')])
    expect(stdout).toBe(`id 0\n2\nstruct bpf_map_info has ${codec.size} bytes, but the record has only 8\n`)
  })

  it('reads every record once, also through a small slab and with other ways of reading in between', () => {
    using rings = new Rings()
    using reader = rings.reader({ slabSize: 64, batchSize: 3 })
    const numbers: number[] = []
    rings.produce(100)
    reader.onView(({ number }) => {
      numbers.push(Number(number))
      if (numbers.length === 40) reader.stop()
    })
    reader.consume()
    reader.on(({ number }) => numbers.push(Number(number)))
    reader.consume(20)
    reader.stop()
    reader.onView((_, copy) => numbers.push(Number(copy().number)))
    reader.consume()
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  it('needs a type, and a codec of this package', () => {
    using rings = new Rings()
    using bytes = new RingBuffer(rings.maps[0]!)
    expect(thrownBy(() => bytes.onView(() => {}))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining("ring buffer 'ring0' has no views"),
    })
    bytes.close()
    const own = { ...rings.object.codec<Numbered>('record') }
    using reader = rings.readerOf(rings.maps[0]!, { codec: own })
    expect(thrownBy(() => reader.onView(() => {}))).toBeInstanceOf(TypeError)
    // Nothing reads, so another way of reading can begin.
    reader.on(() => {})
  })
})
