import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../lib/config/types.js'
import { labelsOf } from '../lib/decoders.js'

const decode = (value: unknown, ...decoders: DecoderConfig[]): unknown =>
  labelsOf([{ name: 'label', decoders }], { containers: undefined })(value).label

/** A number as a program for a little-endian machine has it, if it is in the network's byte order. */
const network = (...bytes: number[]): number => new Uint32Array(Uint8Array.from(bytes).buffer)[0]!

describe('decoders', () => {
  it.each<[what: string, value: unknown, decoder: DecoderConfig, expected: unknown]>([
    ['uint', 7n, { name: 'uint' }, 7],
    ['uint beyond 2**53', 2n ** 60n, { name: 'uint' }, '1152921504606846976'],
    ['string', 'bash', { name: 'string' }, 'bash'],
    ['hex', 255, { name: 'hex' }, '0xff'],
    ['static_map', 1, { name: 'static_map', static_map: { 1: 'write' } }, 'write'],
    ['static_map of an unknown value', 9, { name: 'static_map', static_map: { 1: 'write' } }, 'unknown:9'],
    ['static_map that allows none', 9, { name: 'static_map', static_map: {}, allow_unknown: false }, ''],
    ['inet_ip of a number', network(127, 0, 0, 1), { name: 'inet_ip' }, '127.0.0.1'],
    ['inet_ip of bytes', Uint8Array.of(10, 1, 2, 3), { name: 'inet_ip' }, '10.1.2.3'],
    [
      'inet_ip of IPv6',
      [network(0x20, 1, 0xd, 0xb8), 0, 0, network(0, 0, 0, 1)],
      { name: 'inet_ip' },
      '2001:db8::1',
    ],
    [
      'inet_ip of IPv4 in IPv6',
      [0, 0, network(0, 0, 255, 255), network(10, 0, 0, 1)],
      { name: 'inet_ip' },
      '10.0.0.1',
    ],
    ['majorminor of a device that does not exist', (4000 << 20) | 7, { name: 'majorminor' }, '4000:7'],
    ['uid', 0, { name: 'uid' }, 'root'],
    ['uid of nobody known', 54321, { name: 'uid' }, '54321'],
    ['errno', -2, { name: 'errno' }, 'ENOENT'],
    ['signal', 9, { name: 'signal' }, 'SIGKILL'],
    ['syscall', -1, { name: 'syscall' }, '-1'],
    ['errno of success', 0, { name: 'errno' }, ''],
    ['ifname', 1, { name: 'ifname' }, 'lo'],
    ['regexp', 'kworker/0:1', { name: 'regexp', regexps: ['^(kworker)/', '.*'] }, 'kworker'],
  ])('decodes %s', (_what, value, decoder, expected) => expect(decode(value, decoder)).toBe(expected))

  it('apply one after the other', () => {
    const map: DecoderConfig = { name: 'static_map', static_map: { '0xff': 'all' } }
    expect(decode(255, { name: 'hex' }, map)).toBe('all')
  })

  it('take members of keys', () => {
    const labels = labelsOf([{ name: 'operation', member: 'op' }, { name: 'device' }], {
      containers: undefined,
    })
    expect(labels({ op: 1, device: 'sda' })).toEqual({ operation: 1, device: 'sda' })
  })
})
