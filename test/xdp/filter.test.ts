import { XdpRedirect, XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { usePair } from './pair.js'

const pair = usePair()

const ethernet = (type: number, rest: number[]): Uint8Array => {
  const bytes = new Uint8Array(Math.max(64, 14 + rest.length))
  new DataView(bytes.buffer).setUint16(12, type)
  bytes.set(rest, 14)
  return bytes
}
const port16 = (port: number): number[] => [port >> 8, port & 0xff]
const l4 = (port: number): number[] => [0, 9, ...port16(port), 0, 0, 0, 0]
const ipv4 = (protocol: number, port: number, { options = 0, fragment = 0 } = {}): Uint8Array =>
  ethernet(0x0800, [
    0x45 + options,
    0,
    0,
    40,
    0,
    0,
    ...port16(fragment),
    64,
    protocol,
    0,
    0,
    ...[10, 0, 0, 1, 10, 0, 0, 2],
    ...new Array(4 * options).fill(0),
    ...l4(port),
  ])
const ipv6 = (protocol: number, port: number): Uint8Array =>
  ethernet(0x86dd, [0x60, 0, 0, 0, 0, 20, protocol, 64, ...new Array(32).fill(1), ...l4(port)])

const packets = {
  arp: ethernet(0x0806, []),
  tcp80: ipv4(6, 80),
  tcp81: ipv4(6, 81),
  udp80: ipv4(17, 80),
  icmp: ipv4(1, 80),
  options80: ipv4(6, 80, { options: 3 }),
  first80: ipv4(17, 80, { fragment: 0x2000 }),
  later80: ipv4(17, 80, { fragment: 0x2005 }),
  tcp80v6: ipv6(6, 80),
  udp53v6: ipv6(17, 53),
  icmpv6: ipv6(58, 80),
  short: ethernet(0x0800, [0x45]).subarray(0, 16),
  // The header says that it is longer than the packet.
  cut: ipv4(6, 80, { options: 10 }).subarray(0, 60),
}
const XDP_PASS = 2
const XDP_REDIRECT = 4

describe('a filter', () => {
  const cases: [string, object, (keyof typeof packets)[]][] = [
    ['by type', { etherType: 0x0806 }, ['arp']],
    ['by protocol', { protocol: 'tcp' }, ['tcp80', 'tcp81', 'options80', 'tcp80v6', 'cut']],
    ['by number', { protocol: 17 }, ['udp80', 'first80', 'later80', 'udp53v6']],
    ['by port', { port: 80 }, ['tcp80', 'udp80', 'options80', 'first80', 'tcp80v6']],
    ['by all', { etherType: 0x0800, protocol: 'tcp', port: 80 }, ['tcp80', 'options80']],
    [
      'by any of several',
      [{ protocol: 'icmp' }, { port: 53 }, { protocol: 'icmpv6' }],
      ['icmp', 'udp53v6', 'icmpv6'],
    ],
    ['that is empty', {}, Object.keys(packets) as (keyof typeof packets)[]],
    ['that is not there', [], Object.keys(packets) as (keyof typeof packets)[]],
  ]
  for (const [title, filter, matching] of cases) {
    it(`${title} redirects what it should`, async () => {
      using redirect = new XdpRedirect(pair.b, { filter })
      using _socket = await XdpSocket.open(pair.b, { redirect })
      const redirected = Object.entries(packets)
        .filter(([, data]) => {
          const { retval } = redirect.program.testRunSync({ data })
          expect([XDP_PASS, XDP_REDIRECT]).toContain(retval)
          return retval === XDP_REDIRECT
        })
        .map(([name]) => name)
      expect(redirected).toEqual(matching)
    })
  }
})
