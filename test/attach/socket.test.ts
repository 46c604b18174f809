import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { detachSocket, queryNetns, querySockmap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { fdOf } from '../helpers/fd-of.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'
import { loadOnly, twoSockets, useProgram, useVeth } from './surroundings.js'

const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]
const host = '127.0.0.1'

async function listen(): Promise<Server> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  return server
}

/** The two ends of a TCP connection. */
async function withPair(use: (client: TcpSocket, server: TcpSocket) => Promise<void>): Promise<void> {
  const listener = await listen()
  const accepted = once(listener, 'connection')
  const client = connect((listener.address() as AddressInfo).port, host)
  const [server] = (await accepted) as [TcpSocket]
  try {
    await use(client, server)
  } finally {
    client.destroy()
    server.destroy()
    listener.close()
    await once(listener, 'close')
  }
}

describe('attachSocket', () => {
  it('filters what a socket receives, until it is detached', async () => {
    using object = loadOnly('attach-net', ['cut'])
    const socket = createSocket('udp4')
    try {
      socket.bind(0, host)
      await once(socket, 'listening')
      const receive = async () => {
        const received = once(socket, 'message')
        const sender = createSocket('udp4')
        sender.send('abcdef', socket.address().port, host, () => sender.close())
        return String((await received)[0])
      }
      expect(await receive()).toBe('abcdef')
      object.program('cut').attachSocket(fdOf(socket))
      expect(await receive()).toBe('abc')
      expect(runs(object)[0]).toBe(1n)
      detachSocket(fdOf(socket))
      expect(await receive()).toBe('abcdef')
    } finally {
      socket.close()
      await once(socket, 'close')
    }
  })

  it('refuses a descriptor that is not a socket', () => {
    using object = loadOnly('attach-net', ['cut'])
    expect(() => object.program('cut').attachSocket(1_000_000)).toThrow('it is not a socket')
  })
})

describe('attachReuseport', () => {
  const program = useProgram(twoSockets)

  requiresKernel('4.19', 'selects the socket that receives', async () => {
    const script = `
      import { BpfObject } from 'libbpf-node'
      import { createSocket } from 'node:dgram'
      const object = BpfObject.open(process.argv[1])
      object.program('choose').autoload = true
      object.rodata.chosen = Number(process.argv[2])
      object.loadSync()
      object.map('listeners').set(0, 10n)
      object.map('listeners').set(1, 11n)
      object.program('choose').attachReuseport(10)
      const sockets = [createSocket('udp4'), createSocket('udp4')]
      for (const [i, socket] of sockets.entries()) {
        socket.bind({ fd: 10 + i })
        socket.once('message', (message) => {
          console.log(i, String(message), object.bss.runs[0])
          process.exit()
        })
      }
      const sender = createSocket('udp4')
      sender.send('hello', sockets[0].address().port, '${host}')
    `
    for (const chosen of ['0', '1']) {
      const result = await runChild(script, [objectPath('attach-net'), chosen], { under: [program()] })
      expect(result).toMatchObject({ status: 0, stdout: `${chosen} hello 1n\n` })
    }
  })
})

describe('attachNetns', () => {
  requiresKernel('5.9', 'gives connections to a socket that does not listen on that port', async () => {
    using object = loadOnly('attach-net', ['any_port'])
    const server = await listen()
    try {
      object.map<number, bigint>('sockets').set(0, BigInt(fdOf(server)))
      using link = object.program('any_port').attachNetns()
      const accepted = once(server, 'connection')
      const client = connect(7, host)
      await once(client, 'connect')
      const [socket] = (await accepted) as [TcpSocket]
      expect(socket.localPort).toBe(7)
      client.destroy()
      socket.destroy()
      expect(runs(object)[0]).toBeGreaterThan(0n)
      const info = link.info()
      expect(info).toMatchObject({ type: 'netns', attachType: 'sk_lookup' })
      const ids = queryNetns('/proc/self/ns/net', 'sk_lookup').programs.map(({ programId }) => programId)
      expect(ids).toContain(object.program('any_port').id)
    } finally {
      server.close()
      await once(server, 'close')
    }
  })

  requiresKernel('5.9', 'explains why a descriptor is not a network namespace', () => {
    using object = loadOnly('attach-net', ['any_port'])
    expect(() => object.program('any_port').attachNetns('/proc/self/ns/mnt')).toThrow(
      'it is not a network namespace',
    )
    expect(() => object.program('any_port').attachNetns('/run/netns/none')).toThrow(
      'cannot be opened (ENOENT)',
    )
  })
})

describe('a flow dissector', () => {
  const veth = useVeth()

  // In the initial network namespace it would exclude all others, so another one is used.
  requiresKernel('5.8', 'dissects the packets of a network namespace', async () => {
    const script = `
      import { BpfObject, queryNetns } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      for (const name of ['dissect', 'ask_for_hash']) object.program(name).autoload = true
      object.loadSync()
      const link = object.program('dissect').attachNetns()
      const filter = object.program('ask_for_hash').attachTc(process.argv[2], 'egress')
      const { execFileSync } = await import('node:child_process')
      for (let i = 0; i < 100 && object.bss.runs[0] === 0n; i++) {
        const socket = (await import('node:dgram')).createSocket('udp4')
        await new Promise((resolve) => socket.send('x', 4000, process.argv[3], () => socket.close(resolve)))
      }
      const { type, attachType, programId } = link.info()
      const there = queryNetns('/proc/self/ns/net', 'flow_dissector').programs
      console.log(object.bss.runs[0] > 0n, type, attachType, there[0]?.programId === programId)
      filter.hook.destroy()
      link.close()
      console.log(queryNetns('/proc/self/ns/net', 'flow_dissector').programs.length)
    `
    const args = [objectPath('attach-net'), veth.peerName, veth.address]
    const result = await runChild(script, args, { under: ['ip', 'netns', 'exec', veth.netns] })
    expect(result).toMatchObject({ status: 0, stdout: 'true netns flow_dissector true\n0\n', stderr: '' })
  })
})

describe('attachSockmap', () => {
  requiresKernel('5.10', 'runs on what the sockets of the map receive', async () => {
    using object = loadOnly('attach-net', ['echo'])
    const sockets = object.map<number, bigint>('sockets')
    const server = await listen()
    const accepted = once(server, 'connection')
    const client = connect((server.address() as AddressInfo).port, host)
    const [socket] = (await accepted) as [TcpSocket]
    try {
      using link = object.program('echo').attachSockmap(sockets as never)
      sockets.set(0, BigInt(fdOf(socket)))
      // The kernel sends it back, so Node.js never sees it on the accepted socket.
      const answered = once(client, 'data')
      client.write('echo')
      expect(String((await answered)[0])).toBe('echo')
      expect(runs(object)[0]).toBeGreaterThan(0n)
      if (kernelIs('6.10')) {
        expect(link.info()).toMatchObject({
          type: 'sockmap',
          mapId: sockets.id,
          attachType: 'sk_skb_stream_verdict',
        })
      }
      if (kernelIs('5.18')) {
        const { programs } = querySockmap(sockets as never, 'sk_skb_stream_verdict')
        expect(programs.map(({ programId }) => programId)).toEqual([object.program('echo').id])
      }
      link.close()
    } finally {
      client.destroy()
      socket.destroy()
      server.close()
      await once(server, 'close')
    }
  })

  it('runs on what the sockets send, with sk_msg, until the link is closed', async () => {
    using object = loadOnly('attach-net', ['on_message'])
    await withPair(async (client, server) => {
      const sockets = object.map<number, bigint>('sockets')
      using link = object.program('on_message').attachSockmap(sockets as never)
      sockets.set(0, BigInt(fdOf(client)))
      const say = async (text: string) => {
        const heard = once(server, 'data')
        client.write(text)
        expect(String((await heard)[0])).toBe(text)
      }
      await say('one')
      expect(runs(object)[2]).toBe(1n)
      if (kernelIs('6.10')) {
        expect(link.info()).toMatchObject({ type: 'sockmap', attachType: 'sk_msg_verdict' })
      }
      link.close()
      // A socket keeps the program that was attached when it was put into the map.
      sockets.delete(0)
      await say('two')
      expect(runs(object)[2]).toBe(1n)
    })
  })

  it('lets a parser find the end of each message', async () => {
    using object = loadOnly('attach-net', ['parse', 'echo'])
    await withPair(async (client, server) => {
      const sockets = object.map<number, bigint>('sockets')
      using _parser = object.program('parse').attachSockmap(sockets as never)
      using _verdict = object.program('echo').attachSockmap(sockets as never)
      sockets.set(0, BigInt(fdOf(server)))
      const answered = once(client, 'data')
      client.write('echo')
      expect(String((await answered)[0])).toBe('echo')
      expect(runs(object)[1]).toBeGreaterThan(0n)
      sockets.delete(0)
    })
  })

  // With links, only one program at a time; without them, the last one wins.
  requiresKernel('6.10', 'explains that a program is attached already', () => {
    using object = loadOnly('attach-net', ['echo', 'any_verdict'])
    const sockets = object.map('sockets') as never
    using _link = object.program('echo').attachSockmap(sockets)
    expect(() => object.program('any_verdict').attachSockmap(sockets)).toThrow(
      'a program is attached there already',
    )
  })

  it('refuses a map that is not a sockmap', () => {
    using object = loadOnly('attach-net', ['echo'])
    expect(() => object.program('echo').attachSockmap(object.map('listeners') as never)).toThrow(
      'the map is not a sockmap or sockhash',
    )
  })
})
