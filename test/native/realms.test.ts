// Bytes and objects of another realm, as a test runner's sandbox has them, and two copies of the library in one process.
import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'
import * as bpf from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { copyForEveryone } from '../helpers/child.js'
import { load, objectPath } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

describe('another realm', () => {
  it('gives keys, values and objects', () => {
    using map = bpf.BpfMap.create({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 })
    const key = runInNewContext('new Uint8Array([1, 2, 3, 4])')
    const value = runInNewContext('new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])')
    expect(key instanceof Uint8Array).toBe(false)
    map.set(key, value)
    expect([...map.get(key)!]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(() => map.get(runInNewContext('new Uint16Array(2)'))).toThrow(TypeError)
    expect(() => map.get(runInNewContext('new Uint8Array(3)'))).toThrow(RangeError)
    // @ts-expect-error no bytes
    expect(() => map.get({ [Symbol.toStringTag]: 'Uint8Array', length: 4 })).toThrow()
  })

  it('calls back and is called back', async () => {
    using object = load('ring')
    const seen: bigint[] = []
    const listener = runInNewContext('(record) => seen.push(record.number)', { seen })
    using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
    ring.on(listener)
    object.program('emit').testRunSync({ data: runInNewContext('new Uint8Array(64)'), repeat: 2 })
    await until('both came', () => seen.length === 2)
    expect(seen).toEqual([0n, 1n])
  })
})

describe('two copies in one process', () => {
  it('work beside each other', async () => {
    using copy = copyForEveryone()
    const other: typeof bpf = createRequire(import.meta.url)(`${copy.path}/dist/lib/index.js`)
    expect(other.BpfObject).not.toBe(bpf.BpfObject)
    const numbers: string[] = []
    for (const [name, library] of Object.entries({ ours: bpf, other })) {
      using object = library.BpfObject.open(objectPath('ring'))
      object.loadSync()
      using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
      ring.on(({ number }) => numbers.push(`${name} ${number}`))
      object.program('emit').testRunSync({ data: new Uint8Array(64) })
      await until('it came', () => numbers.some((text) => text.startsWith(name)))
    }
    expect(numbers).toEqual(['ours 0', 'other 0'])
    // What belongs to one is refused by the other.
    using map = bpf.BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    expect(() => new other.RingBuffer(map)).toThrow(TypeError)
  })
})
