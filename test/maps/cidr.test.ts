import { BpfMap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, thrownBy } from '../helpers/objects.js'

const noPrealloc = 1
const trie = (keySize: number): BpfMap =>
  BpfMap.create({ type: 'lpm_trie', keySize, valueSize: 4, maxEntries: 16, flags: noPrealloc })
const value = (n: number): Uint8Array => Uint8Array.of(n, 0, 0, 0)

describe('BpfMap.cidr', () => {
  it('finds the longest prefix, whatever type the key has in C', () => {
    using object = load('maps')
    const routes = object.map<{ bits: number; address: Uint8Array }, number>('routes')
    const { cidr } = routes
    cidr.set('10.0.0.0/8', 1).set('10.1.2.0/24', 2).set('0.0.0.0/0', 3)
    expect(cidr.get('10.1.2.3')).toBe(2)
    expect(cidr.get('10.9.9.9')).toBe(1)
    expect(cidr.get('10.1.0.0/16')).toBe(1)
    expect(cidr.get('192.168.0.1')).toBe(3)
    expect(cidr.delete('0.0.0.0/0')).toBe(true)
    expect(cidr.get('192.168.0.1')).toBeUndefined()
    expect(cidr.delete('10.1.2.0/25')).toBe(false)
    expect([...cidr].sort()).toEqual([
      ['10.0.0.0/8', 1],
      ['10.1.2.0/24', 2],
    ])
    // The same map with objects as keys.
    expect(routes.get({ bits: 32, address: Uint8Array.of(10, 1, 2, 3) })).toBe(2)
    expect(routes.cidr).toBe(cidr)
  })

  it('takes an address without a length as a host, and returns it with one', () => {
    using map = trie(8)
    map.cidr.set('10.1.2.3', value(1))
    expect([...map.cidr.keys()]).toEqual(['10.1.2.3/32'])
    expect([...map.keys()].map((key) => [...key])).toEqual([[32, 0, 0, 0, 10, 1, 2, 3]])
  })

  it.each([
    ['2001:db8::/32', [0x20, 1, 0xd, 0xb8], '2001:db8::/32'],
    ['2001:DB8:0:0::/32', [0x20, 1, 0xd, 0xb8], '2001:db8::/32'],
    ['::/0', [], '::/0'],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], '::1/128'],
    ['fe80::1:0/112', [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 'fe80::1:0/112'],
    ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], '1:2:3:4:5:6:7:8/128'],
    ['::ffff:10.0.0.0/104', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10], '::ffff:10.0.0.0/104'],
  ])('reads and writes IPv6 networks: %s', (text, bytes, shown) => {
    using map = trie(20)
    map.cidr.set(text, value(1))
    const padded = [...bytes, ...new Array<number>(16 - bytes.length).fill(0)]
    expect([...[...map.keys()][0]!.subarray(4)]).toEqual(padded)
    expect([...map.cidr.keys()]).toEqual([shown])
    expect(map.cidr.get(shown)).toEqual(value(1))
  })

  it.each([
    [8, '10.0.0.0/33', RangeError, 'the prefix length is not between 0 and 32'],
    [8, '10.0.0.0/', RangeError, 'the prefix length is not between 0 and 32'],
    [8, '10.0.0.0/-1', RangeError, 'the prefix length is not between 0 and 32'],
    [8, '10.0.0.0/8/8', RangeError, 'neither an address nor a network'],
    [8, '10.0.0/8', RangeError, 'neither an address nor a network'],
    [8, '10.0.0.256', RangeError, 'neither an address nor a network'],
    [8, '', RangeError, 'neither an address nor a network'],
    [8, '::1', RangeError, "is IPv6, but the map's keys are IPv4"],
    [20, '10.0.0.0/8', RangeError, "is IPv4, but the map's keys are IPv6"],
    [20, 'fe80::1%lo', RangeError, 'neither an address nor a network'],
    [20, '2001:db8::1/32', RangeError, 'the network is 2001:db8::/32'],
    [8, '10.1.2.3/16', RangeError, 'the network is 10.1.0.0/16'],
    [8, '10.1.2.3/0', RangeError, 'the network is 0.0.0.0/0'],
    [8, 167772160, TypeError, "is not a string such as '10.1.0.0/16'"],
  ])('refuses for keys of %i bytes: %s', (keySize, text, error, words) => {
    using map = trie(keySize)
    const thrown = thrownBy(() => map.cidr.set(text as string, value(1)))
    expect(thrown).toBeInstanceOf(error)
    expect((thrown as Error).message).toContain(words)
    expect(map.size).toBe(0)
  })

  it('throws for maps that are not tries of addresses', () => {
    using hash = BpfMap.create({ type: 'hash', keySize: 8, valueSize: 4, maxEntries: 1 })
    expect(() => hash.cidr).toThrow(/type hash with keys of 8 bytes/)
    using other = trie(12)
    expect(() => other.cidr).toThrow(TypeError)
  })

  it('throws ERR_BPF_CLOSED for a closed map', () => {
    const map = trie(8)
    const { cidr } = map
    cidr.set('10.0.0.0/8', value(1))
    map.close()
    expect(thrownBy(() => cidr.get('10.0.0.1'))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
