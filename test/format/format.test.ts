import { execFileSync } from 'node:child_process'
import { BlockList, isIPv6 } from 'node:net'
import { constants } from 'node:os'
import { BpfObject } from 'libbpf-node'
import {
  cgroupId,
  cgroupPath,
  device,
  errorName,
  fromBe16,
  fromBe32,
  interfaceName,
  ipAddress,
  ktimeToDate,
  macAddress,
  signalName,
} from 'libbpf-node/format'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { useCgroup } from '../helpers/privileged.js'
import { randomOf } from '../helpers/random.js'

const cgroup = useCgroup()
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const asRead = (hex: string) => [...new Uint32Array(bytes(hex).buffer)]

describe('ipAddress', () => {
  it('writes IPv4 addresses from bytes and from a number as the program read it', () => {
    expect(ipAddress(bytes('0a0001fe'))).toBe('10.0.1.254')
    expect(ipAddress(asRead('0a0001fe')[0]!)).toBe('10.0.1.254')
    expect(ipAddress(asRead('ffffffff')[0]!)).toBe('255.255.255.255')
  })

  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010000000000010000000000000001', '2001:0:0:1::1'],
    ['fe800000000000000000000000000000', 'fe80::'],
    ['00000000000000000000ffff0a000001', '::ffff:10.0.0.1'],
  ])('writes %s as %s', (hex, text) => {
    expect(ipAddress(bytes(hex))).toBe(text)
    expect(ipAddress(asRead(hex))).toBe(text)
    expect(isIPv6(text)).toBe(true)
  })

  it('agrees with the parser of addresses about random ones', () => {
    const random = randomOf(7)
    for (let i = 0; i < 300; i++) {
      const address = random.bytes(16).map((byte) => (random.below(2) === 0 ? 0 : byte))
      const groups = Array.from({ length: 8 }, (_, i) =>
        Buffer.from(address.subarray(2 * i, 2 * i + 2)).toString('hex'),
      )
      const block = new BlockList()
      block.addAddress(groups.join(':'), 'ipv6')
      expect(block.check(ipAddress(address), 'ipv6'), groups.join(':')).toBe(true)
    }
  })

  it('refuses other sizes', () => {
    expect(() => ipAddress(new Uint8Array(6))).toThrow('an address has 4 or 16 bytes, not 6')
  })
})

it('writes hardware addresses, and numbers in network order', () => {
  expect(macAddress(bytes('525400123456'))).toBe('52:54:00:12:34:56')
  expect(fromBe16(new Uint16Array(bytes('0050').buffer)[0]!)).toBe(80)
  expect(fromBe32(asRead('0a000001')[0]!)).toBe(0x0a000001)
})

describe('ktimeToDate', () => {
  it('gives the date of a time stamp that a program took', () => {
    const { object } = compile(`
      export let monotonic = data<u64>(0)
      export let boottime = data<u64>(0)
      export const stamp = syscall(() => {
        monotonic = bpf.ktimeGetNs()
        boottime = bpf.ktimeGetBootNs()
        return 0
      })
      export const license = 'GPL'
    `)
    using opened = BpfObject.open(object)
    opened.loadSync()
    const before = Date.now()
    opened.program('stamp').testRunSync()
    const after = Date.now()
    for (const clock of ['monotonic', 'boottime'] as const) {
      const at = ktimeToDate(opened.data[clock] as bigint, clock).getTime()
      expect(at).toBeGreaterThanOrEqual(before - 30)
      expect(at).toBeLessThanOrEqual(after + 30)
    }
    expect(() => ktimeToDate(0n, 'sundial' as never)).toThrow("clock 'sundial' does not exist")
  })
})

describe('names', () => {
  it('names errors and signals', () => {
    expect(errorName(-13)).toBe('EACCES')
    expect(errorName(-2n)).toBe('ENOENT')
    expect(errorName(524)).toBe('ENOTSUPP')
    expect([errorName(0), errorName(3000)]).toEqual([undefined, undefined])
    for (const [name, number] of Object.entries(constants.signals))
      expect(constants.signals[signalName(number) as NodeJS.Signals], name).toBe(number)
    expect([signalName(9), signalName(36), signalName(0)]).toEqual(['SIGKILL', 'SIGRTMIN+2', undefined])
  })

  it('names interfaces and devices', () => {
    expect(interfaceName(1)).toBe('lo')
    expect(interfaceName(1_000_000)).toBeUndefined()
    expect(device((8 << 20) | 1)).toMatchObject({ major: 8, minor: 1 })
  })

  it('finds the path of a cgroup by its id', () => {
    const id = cgroupId(cgroup())
    const path = cgroupPath(id)
    expect(cgroup().endsWith(path!)).toBe(true)
    expect(path).toMatch(/^\/./)
    expect(cgroupPath(1n)).toBe('/')
    expect(cgroupPath(0xffff_ffff_ffffn)).toBeUndefined()
    expect(execFileSync('stat', ['-c', '%i', cgroup()], { encoding: 'utf8' }).trim()).toBe(String(id))
  })
})
