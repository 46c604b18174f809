import { describe, expect, it } from 'vitest'
import { load } from '../helpers/objects.js'
import { onlineCpus, runOn } from './cpus.js'

/** How many records of 8 bytes, with their headers, fit into a ring of 4096 bytes. */
const fits = 255

describe.each(['reserved', 'copied'])('a ring with the macros of libbpf-node.bpf.h: %s', (name) => {
  it('has lost nothing while everything fits', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer(name)
    expect(ring.lost).toBe(0n)
    runOn(onlineCpus[0]!, object, 'produce', fits)
    expect(ring.lost).toBe(0n)
    let count = 0
    ring.on(() => count++)
    ring.consume()
    expect(count).toBe(fits)
  })

  it('counts each record that does not fit', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer(name)
    let count = 0
    ring.on(() => count++)
    runOn(onlineCpus[0]!, object, 'produce', fits + 7)
    expect(ring.lost).toBe(7n)
    ring.consume()
    runOn(onlineCpus[0]!, object, 'produce', fits + 100)
    ring.consume()
    expect(count).toBe(2 * fits)
    expect(ring.lost).toBe(107n)
  })

  it('sums up the losses of all CPUs', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer(name)
    runOn(onlineCpus[0]!, object, 'produce', fits)
    for (const [i, cpu] of onlineCpus.entries()) runOn(cpu, object, 'produce', 10 + i)
    const total = onlineCpus.reduce((sum, _, i) => sum + 10 + i, 0)
    expect(ring.lost).toBe(BigInt(total))
    const perCpu = object.map<number, bigint[]>(`${name}_lost`).get(0)!
    for (const [i, cpu] of onlineCpus.entries()) expect(perCpu[cpu]).toBe(BigInt(10 + i))
  })
})

describe('lost', () => {
  it('does not count records that the program discards', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer('reserved')
    ring.on(() => {})
    for (let round = 0; round < 3; round++) {
      runOn(onlineCpus[0]!, object, 'discard', fits)
      expect(ring.consume()).toBe(0)
    }
    expect(ring.lost).toBe(0n)
  })

  it('is undefined for a map without a counter', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer('plain')
    runOn(onlineCpus[0]!, object, 'produce', fits + 1)
    expect(ring.lost).toBeUndefined()
  })

  it('sums up all rings of a reader, and is undefined if one of them has no counter', () => {
    using object = load('events-lost')
    using ring = object.ringBuffer('reserved')
    ring.add(object.map('copied'), object.map('copied_lost'))
    runOn(onlineCpus[0]!, object, 'produce', fits + 5)
    expect(ring.lost).toBe(10n)
    ring.remove(object.map('reserved'))
    expect(ring.lost).toBe(5n)
    ring.add(object.map('plain'))
    expect(ring.lost).toBeUndefined()
  })
})
