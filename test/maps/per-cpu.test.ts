import { BpfMap, possibleCpus } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, thrownBy } from '../helpers/objects.js'

const cpus = possibleCpus()
const eachCpu = <T>(make: (cpu: number) => T): T[] => Array.from({ length: cpus }, (_, cpu) => make(cpu))

describe('a per-CPU value', () => {
  it.each(['cpu_hash', 'cpu_recent'])('of %s is an array with one element for each possible CPU', (name) => {
    using object = load('maps')
    const map = object.map<number, (number | bigint)[]>(name)
    const values = eachCpu((cpu) => cpu + 1)
    map.set(7, values)
    expect(map.get(7)?.map(Number)).toEqual(values)
    expect([...map].map(([key, value]) => [key, value.map(Number)])).toEqual([[7, values]])
    expect(map.get(8)).toBeUndefined()
  })

  it('is padded with zeros to 8 bytes for each CPU in raw', () => {
    using object = load('maps')
    const map = object.map<number, number[]>('cpu_hash')
    map.set(
      1,
      eachCpu((cpu) => 0x01020300 + cpu),
    )
    expect([...map.raw.get(Uint8Array.of(1, 0, 0, 0))!]).toEqual(
      eachCpu((cpu) => [cpu, 3, 2, 1, 0, 0, 0, 0]).flat(),
    )
    expect(map.valueSize).toBe(4)
    expect(() => map.raw.set(Uint8Array.of(1, 0, 0, 0), new Uint8Array(4))).toThrow(
      new RangeError(`value has 4 bytes, but the map's values have ${8 * cpus}`),
    )
  })

  it('has what a program wrote on the CPU that it ran on', () => {
    using object = load('maps')
    const map = object.map<number, { x: number; y: number; label: string }[]>('cpu_array')
    expect(map.get(0)).toEqual(eachCpu(() => ({ x: 0, y: 0, label: '' })))
    const { retval: cpu } = object.program('count').testRunSync({ data: new Uint8Array(64), repeat: 1 })
    const values = map.get(0)!
    expect(values.map(({ x }) => x).reduce((a, b) => a + b)).toBe(1)
    expect(values[cpu]).toEqual({ x: 1, y: 0, label: String.fromCharCode('A'.charCodeAt(0) + cpu) })
  })

  it.each([
    ['too few', eachCpu(() => 1).slice(1), RangeError],
    ['too many', [...eachCpu(() => 1), 1], RangeError],
    ['no array', 1, TypeError],
    ['a string', '11', TypeError],
    ['elements of another type', eachCpu(() => '1'), TypeError],
    ['a hole', new Array(cpus), TypeError],
  ])('must have a value for each CPU: %s', (_, value, error) => {
    using object = load('maps')
    const map = object.map<number, unknown>('cpu_hash')
    expect(thrownBy(() => map.set(1, value))).toBeInstanceOf(error)
    expect(map.size).toBe(0)
  })

  it('is deleted for all CPUs', () => {
    using object = load('maps')
    const map = object.map<number, number[]>('cpu_hash')
    map.set(
      1,
      eachCpu(() => 1),
    )
    expect(map.delete(1)).toBe(true)
    expect(map.get(1)).toBeUndefined()
  })

  requiresKernel('5.14', 'is read and deleted for all CPUs by lookupAndDelete', () => {
    using object = load('maps')
    const map = object.map<number, number[]>('cpu_hash')
    const values = eachCpu((cpu) => cpu)
    map.set(1, values)
    expect(map.lookupAndDelete(1)).toEqual(values)
    expect(map.has(1)).toBe(false)
  })

  it('is the bytes of all CPUs if the map has no types', () => {
    using map = BpfMap.create({ type: 'percpu_array', keySize: 4, valueSize: 3, maxEntries: 1 })
    const key = new Uint8Array(4)
    const value = Uint8Array.from(eachCpu((cpu) => [cpu, 1, 2, 0, 0, 0, 0, 0]).flat())
    map.set(key, value)
    expect(map.get(key)).toEqual(value)
  })
})
