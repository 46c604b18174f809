import { execFileSync } from 'node:child_process'
import { type Packet, PacketSocket } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { ip, loadOnly, useProgram, useVeth } from '../attach/surroundings.js'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

const veth = useVeth()

/** The UDP datagrams to a port among packets. */
const datagrams = (packets: readonly Packet[], port: number): Packet[] =>
  packets.filter(({ protocol, data }) => {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    return protocol === 0x0800 && data.length >= 42 && data[23] === 17 && view.getUint16(36) === port
  })

/** The part of a frame after the headers of Ethernet, IPv4 and UDP. */
const payload = ({ data }: Packet): string => Buffer.from(data.subarray(42)).toString()

/** Sends datagrams from the other end of the pair, with one process. */
function flood(count: number, size: number, port = 4000): void {
  const script = `
    const socket = require('dgram').createSocket('udp4')
    const data = Buffer.alloc(${size}, 120)
    let left = ${count}
    const next = () => left-- > 0 ? socket.send(data, ${port}, '${veth.address}', next) : socket.close()
    next()`
  execFileSync('ip', ['netns', 'exec', veth.netns, process.execPath, '-e', script])
}

/** Broadcasts a frame of VLAN 7 with a protocol for experiments. */
const sendTagged = useProgram(`
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
int main(int argc, char** argv) {
  unsigned char frame[60] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 7, 0x88, 0xb5, 1};
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]), .sll_halen = 6};
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  return sendto(fd, frame, sizeof(frame), 0, (struct sockaddr*)&to, sizeof(to)) != sizeof(frame);
}`)

describe('PacketSocket', () => {
  it('receives packets as they were on the interface', async () => {
    using socket = new PacketSocket(veth.name)
    const packets: Packet[] = []
    socket.on((packet) => packets.push(packet))
    const before = BigInt(Date.now()) * 1_000_000n
    veth.send(4001, 'hello')
    await until('the datagram has come', () => datagrams(packets, 4001).length > 0)
    const [packet] = datagrams(packets, 4001)
    expect(payload(packet!).replaceAll('\0', '')).toBe('hello')
    expect(packet).toMatchObject({ length: packet!.data.length, direction: 'host', vlan: undefined })
    expect(packet!.ifindex).toBe(Number(ip('-o', 'link', 'show', veth.name).split(':')[0]))
    expect(packet!.time).toBeGreaterThan(before - 1_000_000_000n)
    expect(packet!.time).toBeLessThan(before + 600_000_000_000n)
    expect(socket.received).toBeGreaterThanOrEqual(BigInt(packets.length))
    expect(socket.lost).toBe(0n)
  })

  it('delivers each packet once to an iteration, in batches as well', async () => {
    using socket = new PacketSocket(veth.name, { blockSize: 4096, ringSize: 1 << 20, slabSize: 256 })
    flood(200, 100, 4002)
    const seen: Packet[] = []
    for await (const packet of socket) {
      seen.push(packet)
      if (datagrams(seen, 4002).length === 50) break
    }
    for await (const batch of socket.batches()) {
      seen.push(...batch)
      if (datagrams(seen, 4002).length >= 200) break
    }
    expect(datagrams(seen, 4002)).toHaveLength(200)
    expect(socket.lost).toBe(0n)
  })

  it('asks a program how much of each packet it wants', async () => {
    using object = loadOnly('attach-net', ['cut'])
    using socket = new PacketSocket(veth.name, { filter: object.program('cut') })
    const packets: Packet[] = []
    socket.on((packet) => packets.push(packet))
    veth.send(4003)
    await until('a packet has come', () => packets.length > 0)
    expect(packets.map(({ data }) => data.length)).toEqual(packets.map(() => 11))
    expect(packets[0]!.length).toBeGreaterThan(11)
  })

  it('counts what is lost while nobody reads', async () => {
    using socket = new PacketSocket(veth.name, { blockSize: 4096, ringSize: 8192 })
    flood(300, 200, 4004)
    expect(socket.lost).toBeGreaterThan(0n)
    expect(socket.received).toBeGreaterThanOrEqual(300n)
    const packets: Packet[] = []
    socket.on((packet) => packets.push(packet))
    await until('the rest has come', () => packets.length > 0)
    expect(BigInt(packets.length)).toBeLessThanOrEqual(socket.received - socket.lost)
  })

  requiresKernel('4.20', 'leaves out what this machine sends', async () => {
    using both = new PacketSocket(veth.name)
    using incoming = new PacketSocket(veth.name, { outgoing: false })
    const [seen, received]: [Packet[], Packet[]] = [[], []]
    both.on((packet) => seen.push(packet))
    incoming.on((packet) => received.push(packet))
    const script = `const s = require('dgram').createSocket('udp4'); s.send('x', 4005, '${veth.peer}', () => s.close())`
    execFileSync(process.execPath, ['-e', script])
    veth.send(4006)
    await until(
      'both have come',
      () => datagrams(received, 4006).length > 0 && datagrams(seen, 4006).length > 0,
    )
    expect(datagrams(seen, 4005).map(({ direction }) => direction)).toEqual(['outgoing'])
    expect(datagrams(received, 4005)).toEqual([])
  })

  it('tells the VLAN of a packet, which the kernel has taken out of it', async () => {
    using socket = new PacketSocket(veth.name)
    const tagged: Packet[] = []
    socket.on((packet) => {
      if (packet.vlan !== undefined) tagged.push(packet)
    })
    execFileSync('ip', ['netns', 'exec', veth.netns, sendTagged(), veth.peerName])
    await until('a packet of the VLAN has come', () => tagged.length > 0)
    expect(tagged[0]).toMatchObject({ protocol: 0x88b5, vlan: { tci: 7, protocol: 0x8100 } })
    expect(tagged[0]!.data[12]).toBe(0x88)
  })

  it('goes on after the interface was down, and ends when it is removed', async () => {
    const name = `${veth.name}x`
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`)
    ip('link', 'set', `${name}p`, 'up')
    ip('link', 'set', name, 'up')
    try {
      using socket = new PacketSocket(name, { blockTimeout: 5 })
      const packets: Packet[] = []
      const reading = (async () => {
        for await (const packet of socket) packets.push(packet)
      })()
      // IPv6 announces itself when the interface comes up.
      for (let count = packets.length, i = 0; i < 2; i++) {
        ip('link', 'set', name, 'down')
        ip('link', 'set', name, 'up')
        await until('packets come after it is up again', () => packets.length > count)
        count = packets.length
      }
      ip('link', 'del', name)
      await expect(reading).rejects.toMatchObject({
        code: 'ENODEV',
        message: `packets of '${name}' have ended: interface '${name}' was removed (ENODEV)`,
      })
    } finally {
      try {
        ip('link', 'del', name)
      } catch {
        // The test has removed it.
      }
    }
  })

  it('can be closed at any time', async () => {
    const socket = new PacketSocket(veth.name)
    let count = 0
    socket.on(() => {
      count++
      socket.close()
    })
    flood(20, 100)
    await until('it was closed', () => socket.closed)
    expect(count).toBe(1)
    socket.close()
    expect(() => socket.lost).toThrow('is closed')
    new PacketSocket(undefined).close()
  })

  it('explains what it cannot open', () => {
    expect(() => new PacketSocket(`${veth.name}y`)).toThrow('no such network interface')
    expect(thrownBy(() => new PacketSocket(2 ** 30))).toMatchObject({ code: 'ENODEV' })
    expect(() => new PacketSocket(veth.name, { blockSize: 5000 })).toThrow(RangeError)
    expect(() => new PacketSocket(undefined, { promiscuous: true })).toThrow(TypeError)
    using object = loadOnly('attach-net', ['xdp_pass'])
    expect(() => new PacketSocket(veth.name, { filter: object.program('xdp_pass') })).toThrow(
      'the filter is not a SEC("socket") program',
    )
  })
})
