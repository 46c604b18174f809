import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { interfaceIndex } from 'libbpf-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ip, netkit, requires, twoSockets, useProgram, useVeth } from '../../attach/surroundings.js'
import { runChild } from '../../helpers/child.js'
import { fdOf } from '../../helpers/fd-of.js'
import { requiresFeature, requiresKernel } from '../../helpers/kernel.js'
import { until } from '../../helpers/until.js'
import { dataOf, load } from '../load.js'

const veth = useVeth()
const host = '127.0.0.1'
const out = `lbh${process.pid % 10000}a`
const end = `lbh${process.pid % 10000}b`

beforeAll(() => {
  ip('link', 'add', out, 'type', 'veth', 'peer', 'name', end)
  ip('link', 'set', out, 'up')
  ip('link', 'set', end, 'up')
})
afterAll(() => {
  ip('link', 'del', out)
})

async function listen(): Promise<Server> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  return server
}

/** The two ends of a TCP connection. */
async function withPair(use: (client: Socket, server: Socket) => Promise<void>): Promise<void> {
  const listener = await listen()
  const accepted = once(listener, 'connection')
  const client = connect((listener.address() as AddressInfo).port, host)
  const [server] = (await accepted) as [Socket]
  try {
    await use(client, server)
  } finally {
    client.destroy()
    server.destroy()
    listener.close()
    await once(listener, 'close')
  }
}

const headers = `
  interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
  interface Ipv4 { version: u8; tos: u8; length: be16; id: be16; fragment: be16; ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32 }
  interface Udp { source: be16; destination: be16; length: be16; checksum: be16 }
  export let runs = data<u64>(0)
  export let port = data<u32>(0)
`

describe('packets on their way in', () => {
  it('are read with a cursor, by XDP', async () => {
    using object = load(`${headers}
      export const p = xdp((packet) => {
        const cursor = packet.cursor()
        const eth = cursor.next<Ethernet>()
        if (!eth || eth.type !== 0x0800) return XDP.PASS
        const ip = cursor.next<Ipv4>()
        if (!ip || ip.protocol !== 17) return XDP.PASS
        const udp = cursor.next<Udp>()
        if (!udp) return XDP.PASS
        port = udp.destination
        runs += 1
        return XDP.PASS
      })`)
    using _link = object.program('p').attachXdp(veth.name, { mode: 'generic' })
    await until('a packet came', () => {
      veth.send(4711)
      return dataOf(object).runs! > 0n
    })
    expect(object.data).toMatchObject({ port: 4711 })
  })

  requiresKernel('6.6', 'have the members of their context, in TC programs', async () => {
    using object = load(`${headers}
      export let ifindex = data<u32>(0)
      export let protocol = data<u32>(0)
      export const p = tcIngress((packet) => {
        if (packet.protocol !== 0x0800) return TC.NEXT
        ifindex = packet.ifindex
        protocol = packet.protocol
        const udp = packet.load<Udp>(packet.len - 9)
        if (udp) port = udp.destination
        runs += 1
        return TC.NEXT
      })`)
    using _link = object.program('p').attachTcx(veth.name)
    await until('a packet came', () => {
      veth.send(4712)
      return dataOf(object).runs! > 0n
    })
    expect(object.data).toMatchObject({ ifindex: interfaceIndex(veth.name), protocol: 0x0800, port: 4712 })
  })

  it('are attached as classifiers of older kernels', async () => {
    using object = load(`${headers}\nexport const p = tc((packet) => { runs += 1; return TC.PASS })`)
    using _link = object.program('p').attachTc(veth.name, 'ingress')
    await until('a packet came', () => {
      veth.send()
      return dataOf(object).runs! > 0n
    })
  })

  requires(netkit, 'are seen on a netkit device', () => {
    const name = `lbk${process.pid % 10000}`
    ip('link', 'add', name, 'type', 'netkit')
    try {
      using object = load(`${headers}\nexport const p = netkitPrimary((packet) => { runs += 1; return 0 })`)
      using link = object.program('p').attachNetkit(name)
      expect(link.info()).toMatchObject({ type: 'netkit' })
    } finally {
      ip('link', 'del', name)
    }
  })

  requiresFeature('netfilter', 'are seen at a hook of the netfilter', async () => {
    using object = load(`${headers}
      export let length = data<u32>(0)
      export let inPlace = data<u64>(0)
      export const p = netfilter((ctx) => {
        length = ctx.skb.len
        const ip = ctx.dynptr().slice<Ipv4>(0)
        if (ip && ip.length === ctx.skb.len) inPlace += 1
        if (ctx.state.hook === 1) runs += 1
        return NF.ACCEPT
      })`)
    using _link = object.program('p').attachNetfilter({ family: 'ipv4', hook: 'input', priority: -128 })
    await until('a packet came', () => {
      veth.send()
      return dataOf(object).runs! > 0n
    })
    expect((object.data as { length: number }).length).toBeGreaterThan(20)
    await until('a packet was read in place', () => {
      veth.send()
      return dataOf(object).inPlace! > 0n
    })
  })
})

describe('packets that are changed', () => {
  const packet = Uint8Array.of(
    ...[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0],
    ...[0x45, 0, 0, 20, 0, 1, 0, 0, 64, 17, 0x66, 0xd6, 10, 0, 0, 1, 10, 0, 0, 2],
  )

  it('have the right checksum again', () => {
    using object = load(`${headers}
      export let before = data<u32>(0)
      export let after = data<u32>(0)
      export let whole = data<u32>(0)
      export const p = xdp((packet) => {
        const ip = packet.read<Ipv4>(14)
        if (!ip) return XDP.DROP
        before = bpf.checksum(ip)
        const old = ip.source
        ip.source = 0xc0a80a0b
        ip.checksum = bpf.updateChecksum(ip.checksum, old, ip.source)
        const ttl = ip.length
        ip.length = 28
        ip.checksum = bpf.updateChecksum(ip.checksum, ttl, 28)
        after = bpf.checksum(ip)
        ip.checksum = 0
        whole = bpf.checksum(ip)
        return XDP.TX
      })`)
    const { retval } = object.program('p').testRunSync({ data: packet })
    expect(retval).toBe(3)
    const { before, after, whole } = object.data as Record<string, number>
    expect({ before, after }).toEqual({ before: 0, after: 0 })
    // The sum of the ten words, with the carries.
    const words = [0x4500, 28, 1, 0, 0x4011, 0xc0a8, 0x0a0b, 0x0a00, 0x0002]
    const sum = words.reduce((total, word) => total + word, 0)
    expect(whole).toBe(~((sum & 0xffff) + (sum >>> 16)) & 0xffff)
  })

  it('have it from the kernel, in TC programs', () => {
    using object = load(`${headers}
      export let after = data<u32>(1)
      export const p = tc((packet) => {
        const ip = packet.read<Ipv4>(14)
        if (!ip) return 5
        const old = ip.source
        ip.source = 0xc0a80a0b
        if (bpf.l3CsumReplace(24, old, 0xc0a80a0b, 4) !== 0) return 6
        const again = packet.read<Ipv4>(14)
        if (!again) return 7
        after = bpf.checksum(again)
        return 0
      })`)
    expect(object.program('p').testRunSync({ data: packet }).retval).toBe(0)
    expect(object.data).toMatchObject({ after: 0 })
  })

  it('get room in front, and are written in pieces', () => {
    using object = load(`${headers}
      export const p = xdp((packet) => {
        if (bpf.xdpAdjustHead(-14) !== 0) return XDP.ABORTED
        const eth = packet.read<Ethernet>(0)
        if (!eth) return XDP.DROP
        eth.to = [1, 2, 3, 4, 5, 6]
        eth.from = [6, 5, 4, 3, 2, 1]
        eth.type = 0x86dd
        return XDP.TX
      })`)
    const { data } = object.program('p').testRunSync({ data: packet })
    expect(data).toHaveLength(packet.length + 14)
    expect([...data.subarray(0, 14)]).toEqual([1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1, 0x86, 0xdd])
  })
})

describe('frames that are redirected', () => {
  it('leave through the interface in a devmap', async () => {
    using object = load(`${headers}
      export let arrived = data<u64>(0)
      export const ports = devmap(4)
      export const p = xdp((packet) => { runs += 1; return ports.redirect(1, XDP.PASS) })
      export const q = xdp((packet) => { arrived += 1; return XDP.DROP })`)
    object.map<number, number>('ports').set(1, interfaceIndex(out))
    using _in = object.program('p').attachXdp(veth.name, { mode: 'generic' })
    using _out = object.program('q').attachXdp(end, { mode: 'generic' })
    await until('one arrived', () => {
      veth.send()
      return dataOf(object).arrived! > 0n
    })
  })

  it('are dropped or passed where nothing is in the map', () => {
    using object = load(`
      export const cpus = cpumap(4)
      export const sockets = xskmap(4)
      export const ports = devmapHash(4)
      export const a = xdp((packet) => cpus.redirect(2, XDP.PASS))
      export const b = xdp((packet) => sockets.redirect(packet.rx_queue_index, XDP.DROP))
      export const c = xdp((packet) => ports.redirect(99, XDP.TX))`)
    const run = (name: string) => object.program(name).testRunSync({ data: new Uint8Array(64) }).retval
    expect([run('a'), run('b'), run('c')]).toEqual([2, 1, 3])
  })
})

describe('sockets', () => {
  it('are filtered: a socket filter says how much is kept', async () => {
    using object = load(`${headers}
      export const p = socketFilter((packet) => {
        const udp = packet.load<Udp>(0)
        if (!udp) return 0
        port = udp.destination
        runs += 1
        return 8 + 3
      })`)
    const socket = createSocket('udp4')
    try {
      socket.bind(0, host)
      await once(socket, 'listening')
      object.program('p').attachSocket(fdOf(socket))
      const received = once(socket, 'message')
      const sender = createSocket('udp4')
      sender.send('abcdef', socket.address().port, host, () => sender.close())
      expect(String((await received)[0])).toBe('abc')
      expect(object.data).toMatchObject({ runs: 1n, port: socket.address().port })
    } finally {
      socket.close()
      await once(socket, 'close')
    }
  })

  requiresKernel('5.9', 'get connections to ports on which they do not listen', async () => {
    using object = load(`${headers}
      export const listeners = sockmap(1)
      export const p = skLookup((ctx) => {
        if (ctx.local_port !== 7) return SK.PASS
        const sk = listeners.get(0)
        if (!sk) return SK.PASS
        const error = bpf.skAssign(sk, 0)
        bpf.skRelease(sk)
        if (error !== 0) return SK.DROP
        runs += 1
        port = ctx.remote_port
        return SK.PASS
      })`)
    const server = await listen()
    try {
      object.map<number, bigint>('listeners').set(0, BigInt(fdOf(server)))
      using _link = object.program('p').attachNetns()
      const accepted = once(server, 'connection')
      const client = connect(7, host)
      await once(client, 'connect')
      const [socket] = (await accepted) as [Socket]
      expect(object.data).toMatchObject({ port: client.localPort })
      client.destroy()
      socket.destroy()
    } finally {
      server.close()
      await once(server, 'close')
    }
  })

  it('in a sockmap get what others were sent', async () => {
    using object = load(`${headers}
      export const sockets = sockmap(2)
      export const p = skMsg((msg) => {
        runs += 1
        return sockets.redirect(0, true)
      })`)
    await withPair(async (client, server) => {
      const sockets = object.map<number, bigint>('sockets')
      using _link = object.program('p').attachSockmap(sockets)
      sockets.set(0, BigInt(fdOf(client)))
      sockets.set(1, BigInt(fdOf(server)))
      // What the server sends goes to the client, as if it had come over the connection.
      const received = once(client, 'data')
      server.write('hello')
      expect(String((await received)[0])).toBe('hello')
      expect(dataOf(object).runs).toBeGreaterThan(0n)
    })
  })

  const program = useProgram(twoSockets)

  requiresKernel('4.19', 'of a group are chosen by a program', async () => {
    const text = `
      export const listeners = reuseportArray(2)
      export const chosen = rodata<u32>(0)
      export let runs = data<u64>(0)
      export const p = skReuseport((packet) => {
        runs += 1
        if (listeners.select(chosen) !== 0) return SK.DROP
        return SK.PASS
      })
      export const license = 'GPL'`
    const script = `
      import { BpfObject } from 'libbpf-node'
      import { compile } from 'libbpf-node/kernel'
      import { createSocket } from 'node:dgram'
      const object = BpfObject.open(compile(process.argv[1]).object)
      object.rodata.chosen = Number(process.argv[2])
      object.loadSync()
      object.map('listeners').set(0, 10n)
      object.map('listeners').set(1, 11n)
      object.program('p').attachReuseport(10)
      const sockets = [createSocket('udp4'), createSocket('udp4')]
      for (const [i, socket] of sockets.entries()) {
        socket.bind({ fd: 10 + i })
        socket.once('message', (message) => {
          console.log(i, String(message), object.data.runs)
          process.exit()
        })
      }
      const sender = createSocket('udp4')
      sender.send('hello', sockets[0].address().port, '${host}')`
    for (const chosen of ['0', '1']) {
      const result = await runChild(script, [text, chosen], { under: [program()] })
      expect(result).toMatchObject({ status: 0, stdout: `${chosen} hello 1n\n` })
    }
  })

  it('flow dissectors take packets apart', () => {
    using object = load(`
      export let seen = data<u32>(0)
      export const p = flowDissector((packet) => {
        const keys = packet.flow_keys
        keys.nhoff = 14
        keys.thoff = 34
        keys.ip_proto = 17
        keys.n_proto = 0x0800
        seen = keys.nhoff
        return 0
      })`)
    const data = new Uint8Array(64)
    const { retval, data: keys } = object.program('p').testRunSync({ data, dataOutSize: 64 })
    // Older kernels return 1 if the program took the packet apart, newer ones what it returned.
    expect([0, 1]).toContain(retval)
    expect(new DataView(keys.buffer, keys.byteOffset).getUint16(2, true)).toBe(34)
    expect(keys[9]).toBe(17)
  })
})
