import { closeSync, openSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import {
  Emulator,
  ethernet,
  ipv4,
  type Layer,
  openInKernel,
  packet,
  type TestObject,
  tcp,
  udp,
} from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { requiresFeature } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'

const filter = compile(`
interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
interface Ipv4 { version: u8; tos: u8; length: be16; id: be16; fragment: be16; ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32 }
export const seen = array<u64>(256)
export let lastSource = data<u32>(0)
export const onFrame = xdp((packet) => {
  const eth = packet.read<Ethernet>(0)
  if (!eth) return XDP.ABORTED
  if (eth.type !== 0x0800) return XDP.PASS
  const ip = packet.read<Ipv4>(14)
  if (!ip) return XDP.DROP
  seen.add(ip.protocol, 1)
  lastSource = ip.source
  if (ip.protocol === 17) return XDP.DROP
  ip.ttl -= 1
  return XDP.TX
})
export const license = 'GPL'
`).object

const ways: [string, (source: Uint8Array) => TestObject | Promise<TestObject>][] = [
  ['the emulator', (source) => Emulator.open(source)],
  ['the kernel', openInKernel],
]

describe.each(ways)('an XDP program in TypeScript, in %s', (_, open) => {
  it('reads and writes packets', async () => {
    using object = await open(filter)
    const program = object.program('onFrame')
    const run = (...layers: Layer[]) => program.run({ packet: packet(...layers, new Uint8Array(40)) })
    expect(run(ethernet({ type: 0x88b5 })).action).toBe('XDP_PASS')
    expect(run(ethernet(), ipv4({ source: '1.2.3.4' }), udp()).action).toBe('XDP_DROP')
    const sent = run(ethernet(), ipv4({ ttl: 9 }), tcp())
    expect(sent.action).toBe('XDP_TX')
    expect(sent.packet![14 + 8]).toBe(8)
    expect(object.map<number, bigint>('seen').get(17)).toBe(1n)
    expect(object.get('lastSource')).toBe(0x0a000001)
  })
})

describe('hooks of programs in TypeScript', () => {
  useTracefs()
  it('text is read up to a length', () => {
    const { object } = compile(`
      interface Part { file: char<16> }
      export const events = ringbuf<Part>(65536)
      export const pid = rodata<u32>(0)
      export let length = data<u32>(0)
      export const onOpen = tracepoint('syscalls/sys_enter_openat', (ctx) => {
        if (u32(bpf.getCurrentPidTgid() >> 32) !== pid) return 0
        events.emit({ file: bpf.probeReadUserStr(ctx.args[1], length) })
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.rodata.pid = process.pid
    opened.loadSync()
    opened.attach()
    using events = opened.ringBuffer<{ file: string }>('events', 'Part')
    const seen: string[] = []
    const padding: Uint8Array[] = []
    events.drain((view, offset) => {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, 16).slice()
      const end = bytes.indexOf(0)
      seen.push(Buffer.from(bytes.subarray(0, end)).toString())
      padding.push(bytes.subarray(end))
    })
    const path = '/etc/security/limits.conf'
    for (const length of [0, 1, 5, 14, 15, 16, 17, 100, 0xffff_fffe]) {
      opened.data.length = length
      seen.length = 0
      closeSync(openSync(path, 'r'))
      events.consume()
      expect(seen, String(length)).toContain(path.slice(0, Math.min(length, 15)))
    }
    // Nothing else is in the record.
    for (const zeros of padding) expect(zeros).toEqual(new Uint8Array(zeros.length))
  })

  it('a tracepoint has the arguments of a system call', () => {
    const { object } = compile(`
      interface Opened { flags: u32; file: char<64> }
      export const events = ringbuf<Opened>(65536)
      export const pid = rodata<u32>(0)
      export const onOpen = tracepoint('syscalls/sys_enter_openat', (ctx) => {
        if (u32(bpf.getCurrentPidTgid() >> 32) !== pid) return 0
        events.emit({ flags: u32(ctx.args[2]), file: bpf.probeReadUserStr(ctx.args[1]) })
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.rodata.pid = process.pid
    opened.loadSync()
    opened.attach()
    using events = opened.ringBuffer<{ flags: number; file: string }>('events', 'Opened')
    const seen: string[] = []
    events.on(({ file }) => void seen.push(file))
    closeSync(openSync('/etc/hostname', 'r'))
    events.consume()
    expect(seen).toContain('/etc/hostname')
  })

  requiresFeature('kprobes', 'a kprobe has the arguments of a function, and a kretprobe its result', () => {
    const { object } = compile(`
      export let calls = data<u64>(0)
      export let mode = data<u64>(0)
      export let result = data<u64>(0)
      export const enter = kprobe('do_sys_openat2', (dfd, filename, how) => {
        calls += 1
        return 0
      })
      export const leave = kretprobe('do_sys_openat2', (fd) => {
        result = u64(s32(fd))
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    closeSync(openSync('/etc/hostname', 'r'))
    expect((opened.data as Record<string, bigint>).calls).toBeGreaterThan(0n)
  })

  it('read kernel structs that the verifier knows without a helper', () => {
    const { object } = compile(`
      export let parent = data<u32>(0)
      export let name = data<char<16>>()
      export const onExec = tpBtf('sched_process_exec', (task) => {
        parent = task.real_parent.tgid
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    expect(opened.program('onExec').info().xlatedSize).toBeLessThan(120)
  })
})

describe('numbers that the kernel passes', () => {
  it('have the size and the sign of their types, whatever stands above them', () => {
    const { object } = compile(`
      export let failed = data<u64>(0)
      export let where = data<s64>(0)
      export const p = fexit('send_sig', (sig, task, priv, result) => {
        if (result < 0 && result === -2) failed += 1
        where = sig
        return 0
      })
      export const license = 'GPL'`)
    const emulator = Emulator.open(object)
    const context = new Uint8Array(32)
    const words = new DataView(context.buffer)
    words.setBigUint64(0, 0xdead_beef_ffff_ff9cn, true)
    words.setBigUint64(24, 0x0000_0001_ffff_fffen, true)
    emulator.program('p').run({ context })
    expect([emulator.get('failed'), emulator.get('where')]).toEqual([1n, -100n])
  })
})
