import { execFileSync } from 'node:child_process'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { useCgroup } from '../../helpers/privileged.js'

const cgroup = useCgroup()

/** Loads a program, and attaches it to the cgroup. */
function attach(text: string): BpfObject {
  const object = BpfObject.open(
    compile(
      `export let runs = data<u64>(0)\nexport let out = data<u64>(0)\n${text}\nexport const license = 'GPL'\n`,
    ).object,
  )
  try {
    object.loadSync()
    for (const program of object.programs.values()) program.attachCgroup(cgroup())
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

/** Runs a script of Node.js in the cgroup, and returns what it writes. */
const inside = (script: string): string =>
  execFileSync(
    'sh',
    ['-c', `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`, process.execPath, script],
    {
      encoding: 'utf8',
    },
  )

/** Connects to a port of this machine, and writes where it went. */
const connecting = (port: number): string => `
  const server = require('net').createServer((socket) => socket.end()).listen(0, '127.0.0.1', () => {
    const socket = require('net').connect({ host: '127.0.0.1', port: ${port} || server.address().port })
    socket.on('connect', () => { console.log('connected'); process.exit() })
    socket.on('error', (error) => { console.log(error.code); process.exit() })
  })`

const udp = (script: string): string => `
  const { createSocket } = require('dgram')
  const receiver = createSocket('udp4').bind(0, '127.0.0.1', () => {
    const sender = createSocket('udp4')
    receiver.on('message', (text, from) => { console.log(String(text), from.port); process.exit() })
    ${script}
  })
  setTimeout(() => { console.log('nothing'); process.exit() }, 1500)`

describe('programs of a cgroup', () => {
  it('see packets, and let them pass or not', () => {
    const text = (verdict: number): string => `
      interface Ipv4 { version: u8; tos: u8; length: be16; id: be16; fragment: be16; ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32 }
      export const p = cgroupEgress((packet) => {
        const ip = packet.read<Ipv4>(0)
        if (!ip || ip.protocol !== 17) return 1
        runs += 1
        out = ip.destination
        return ${verdict}
      })`
    const send = udp("sender.send('hello', receiver.address().port, '127.0.0.1')")
    {
      using object = attach(text(1))
      expect(inside(send)).toContain('hello')
      expect(object.data).toMatchObject({ out: 0x7f000001n })
    }
    using _ = attach(text(0))
    expect(inside(send)).toBe('nothing\n')
  })

  it('change where a connection goes', () => {
    using object = attach(`
      export const port = rodata<u32>(0)
      export const p = cgroupConnect4((ctx) => {
        runs += 1
        if (ctx.user_port !== 7) return 1
        out = ctx.user_ip4
        ctx.user_ip4 = 0x7f000001
        ctx.user_port = 9
        return 1
      })`)
    // Nobody listens on port 9, and on 10.9.9.9 nobody would answer.
    const script = `
      const socket = require('net').connect({ host: '10.9.9.9', port: 7 })
      socket.on('error', (error) => console.log(error.code))`
    expect(inside(script)).toBe('ECONNREFUSED\n')
    expect(object.data).toMatchObject({ runs: 1n, out: 0x0a090909n })
  })

  it('refuse connections', () => {
    using object = attach('export const p = cgroupConnect4((ctx) => { runs += 1; return 0 })')
    expect(inside(connecting(0))).toBe('EPERM\n')
    expect(object.data).toMatchObject({ runs: 1n })
  })

  it('see sockets that are made, bound and closed', () => {
    using object = attach(`
      export let bound = data<u64>(0)
      export let port = data<u32>(0)
      export const made = cgroupSockCreate((sk) => { if (sk.family === 2 && sk.protocol === 17) runs += 1; return 1 })
      export const before = cgroupBind4((ctx) => { bound += 1; if (ctx.user_ip4 !== 0) out = ctx.user_ip4; return 1 })
      export const after = cgroupPostBind4((sk) => { port = sk.src_port; return 1 })`)
    const printed = inside(
      udp(
        "sender.send('hello', receiver.address().port, '127.0.0.1', () => { console.log(receiver.address().port); process.exit() })",
      ),
    )
    expect(object.data).toMatchObject({ runs: 2n, out: 0x7f000001n })
    expect((object.data as { port: number }).port).toBeGreaterThan(0)
    expect(printed).toMatch(/^\d+\n/)
  })

  it('change the addresses of datagrams', () => {
    using object = attach(`
      export let sent = data<u64>(0)
      export const to = cgroupSendmsg4((ctx) => {
        sent += 1
        out = ctx.user_port
        return 1
      })
      export const from = cgroupRecvmsg4((ctx) => { runs += 1; ctx.user_port = 77; return 1 })`)
    expect(inside(udp("sender.send('hello', receiver.address().port, '127.0.0.1')"))).toBe('hello 77\n')
    expect(object.data).toMatchObject({ runs: 1n, sent: 1n })
  })

  requiresKernel('5.8', 'change the addresses that a process asks for', () => {
    using object = attach(`
      export const own = cgroupGetsockname4((ctx) => { runs += 1; if (ctx.user_port !== 0) ctx.user_port = 1234; return 1 })
      export const peer = cgroupGetpeername4((ctx) => { out += 1; return 1 })`)
    const script = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port); process.exit() })`
    expect(inside(script)).toBe('1234\n')
    expect((object.data as { runs: bigint }).runs).toBeGreaterThan(0n)
  })

  it('see settings of the kernel, and refuse to read them', () => {
    using object = attach(`
      export let name = data<char<32>>()
      export const p = cgroupSysctl((ctx) => {
        const text: char<32> = ''
        bpf.sysctlGetName(text, 0)
        name = text
        runs += 1
        return ctx.write === 0 ? 1 : 0
      })`)
    inside("require('fs').readFileSync('/proc/sys/kernel/hostname')")
    expect(object.data).toMatchObject({ name: 'kernel/hostname' })
  })

  it('see devices', () => {
    using object = attach(`
      export const p = cgroupDevice((ctx) => {
        if (ctx.major === 1 && ctx.minor === 5) { runs += 1; return 0 }
        return 1
      })`)
    const script = `try { require('fs').openSync('/dev/zero', 'r') } catch (error) { console.log(error.code) }`
    expect(inside(script)).toBe('EPERM\n')
    expect((object.data as { runs: bigint }).runs).toBeGreaterThan(0n)
  })

  it('see socket options, and change what a process reads', () => {
    using object = attach(`
      export const p = cgroupGetsockopt((ctx) => {
        if (ctx.level !== 1 || ctx.optname !== 8) return 1
        const value = ctx.read<u32>(0)
        if (!value) return 1
        runs += 1
        value.value = 4242
        return 1
      })
      export const q = cgroupSetsockopt((ctx) => { out += 1; return 1 })`)
    // SO_RCVBUF
    const script = udp(
      'console.log(receiver.getRecvBufferSize()); receiver.setRecvBufferSize(100000); process.exit()',
    )
    expect(inside(script)).toBe('4242\n')
    expect((object.data as { runs: bigint; out: bigint }).runs).toBeGreaterThan(0n)
    expect((object.data as { out: bigint }).out).toBeGreaterThan(0n)
  })

  it('see the events of connections, and keep a value for each socket', () => {
    using object = attach(`
      export let established = data<u64>(0)
      export const p = sockOps((ctx) => {
        runs += 1
        if (ctx.op === 4 || ctx.op === 5) { established += 1; out = ctx.local_ip4 }
        return 1
      })`)
    expect(inside(connecting(0))).toBe('connected\n')
    expect(object.data).toMatchObject({ established: 2n, out: 0x7f000001n })
  })

  requiresKernel('5.2', 'keep a value for each socket', () => {
    using object = attach(`
      export const counts = socketStorage<u64>()
      export const p = cgroupEgress((packet) => {
        const sk = packet.sk
        if (!sk) return 1
        const full = bpf.skFullsock(sk)
        if (!full) return 1
        const count = counts.getOrCreate(full)
        if (!count) return 1
        count.value += 1
        if (count.value > out) out = count.value
        return 1
      })`)
    inside(udp("for (let i = 0; i < 3; i++) sender.send('x', receiver.address().port, '127.0.0.1')"))
    expect((object.data as { out: bigint }).out).toBeGreaterThanOrEqual(1n)
  })
})
