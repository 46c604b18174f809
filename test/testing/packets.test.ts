import {
  arp,
  ethernet,
  icmp,
  internetChecksum,
  ipv4,
  ipv6,
  packet,
  tcp,
  udp,
  vlan,
} from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** A checksum that is right makes the sum over all it covers zero. */
const isRight = (...covered: Uint8Array[]): boolean => hex(internetChecksum(...covered)) === '0000'

describe('packet', () => {
  it('fills in types, lengths and checksums', () => {
    const bytes = packet(
      ethernet(),
      ipv4({ source: '192.168.0.1', destination: '192.168.0.199', identification: 0, fragment: 0x4000 }),
      udp(),
      new Uint8Array(87),
    )
    // The example of a header with its checksum that textbooks use.
    expect(hex(bytes.subarray(14, 34))).toBe('4500007300004000' + '4011b861c0a80001c0a800c7')
    expect(hex(bytes.subarray(12, 14))).toBe('0800')
    expect(bytes.length).toBe(14 + 0x73)
  })

  it('computes the checksums of UDP, TCP and ICMP over what they cover', () => {
    const over4 = (protocol: number, length: number) =>
      Uint8Array.from([10, 0, 0, 1, 10, 0, 0, 2, 0, protocol, length >> 8, length & 255])
    const [u, t, i] = [udp(), tcp({ flags: ['syn'] }), icmp()].map((layer) => packet(ipv4(), layer, 'odd'))
    expect(isRight(over4(17, 11), u!.subarray(20))).toBe(true)
    expect(isRight(over4(6, 23), t!.subarray(20))).toBe(true)
    expect(isRight(i!.subarray(20))).toBe(true)
    expect(t![20 + 13]).toBe(2)
  })

  it('stacks a VLAN tag and IPv6', () => {
    const bytes = packet(ethernet(), vlan(42), ipv6(), udp({ destinationPort: 5353 }), 'x')
    expect(hex(bytes.subarray(12, 18))).toBe('8100002a86dd')
    expect(hex(bytes.subarray(18, 26))).toBe('6000000000091140')
    expect(hex(bytes.subarray(26, 42))).toBe('fd000000000000000000000000000001')
  })

  it('writes ARP', () => {
    expect(hex(packet(ethernet(), arp())).slice(24)).toBe(
      '0806' + '0001080006040001' + '020000000001' + '0a000001' + '000000000000' + '0a000002',
    )
  })

  it('refuses what is not an address', () => {
    expect(() => packet(ipv4({ source: '10.0.0' }))).toThrow("'10.0.0' is not an IPv4 address")
    expect(() => packet(ipv6({ source: '::1::2:3' }))).toThrow(TypeError)
    expect(() => packet(ethernet({ source: '1:2' }))).toThrow("'1:2' is not a MAC address")
  })
})
