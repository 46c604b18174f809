// Programs for routes: lightweight tunnels.
import { createSocket } from 'node:dgram'
import { ethernet, ipv4, packet, udp } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { ip, useVeth } from '../../attach/surroundings.js'
import { useBpffs } from '../../helpers/privileged.js'
import { load } from '../load.js'

const bpffs = useBpffs()
const veth = useVeth()

const headers = `
  interface Ipv4 { version: u8; tos: u8; length: be16; id: be16; fragment: be16; ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32 }
  interface Udp { source: be16; destination: be16; length: be16; checksum: be16 }
`

/** Sends a datagram, and returns the error that the kernel has for it. */
const send = (port: number, address: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.send('x', port, address, (error) => {
      socket.close()
      resolve((error as NodeJS.ErrnoException | null)?.code)
    })
  })

describe('programs for lightweight tunnels', () => {
  it('drop what leaves by a route', async () => {
    using object = load(`${headers}
      export let dropped = data<u64>(0)
      export const p = lwtOut((packet) => {
        const ip = packet.read<Ipv4>(0)
        const udp = packet.read<Udp>(20)
        if (!ip || !udp || ip.protocol !== 17 || udp.destination !== 4711) return LWT.OK
        dropped += 1
        return LWT.DROP
      })`)
    const address = veth.peer.replace(/\d+$/, '77')
    object.program('p').pin(bpffs('tunnel'))
    ip('route', 'add', `${address}/32`, 'encap', 'bpf', 'out', 'pinned', bpffs('tunnel'), 'dev', veth.name)
    try {
      expect(await send(4711, address)).toBe('EPERM')
      expect(await send(4712, address)).toBeUndefined()
      expect(object.data).toMatchObject({ dropped: 1n })
    } finally {
      ip('route', 'del', `${address}/32`)
      object.program('p').unpin(bpffs('tunnel'))
    }
  })

  it('see packets from their IP header on, and write them where they are sent', () => {
    using object = load(`${headers}
      export let source = data<u32>(0)
      export const into = lwtIn((packet) => {
        const ip = packet.read<Ipv4>(0)
        if (!ip) return LWT.DROP
        source = ip.source
        return packet.protocol === 0x0800 ? LWT.REROUTE : LWT.OK
      })
      export const leaving = lwtXmit((packet) => {
        const ip = packet.read<Ipv4>(0)
        if (!ip) return LWT.DROP
        ip.ttl = 3
        return LWT.OK
      })`)
    const data = packet(ethernet(), ipv4({ source: '10.1.2.3', ttl: 64 }), udp(), 'some text')
    const run = (name: string) => object.program(name).testRunSync({ data })
    expect(run('into').retval).toBe(128)
    expect(object.data).toMatchObject({ source: 0x0a010203 })
    const { retval, data: written } = run('leaving')
    expect({ retval, ttl: written[written.length - (data.length - 14) + 8] }).toEqual({ retval: 0, ttl: 3 })
  })

  it('are what a segment of a route does', () => {
    using object = load('export const p = lwtSeg6local((packet) => (packet.length > 60 ? LWT.DROP : LWT.OK))')
    const pinned = bpffs('segment')
    object.program('p').pin(pinned)
    const action = ['action', 'End.BPF', 'endpoint', 'pinned', pinned]
    ip('-6', 'route', 'add', 'fc00:4711::1/128', 'encap', 'seg6local', ...action, 'dev', veth.name)
    try {
      expect(ip('-6', 'route', 'show', 'fc00:4711::1/128')).toContain('End.BPF endpoint')
    } finally {
      ip('-6', 'route', 'del', 'fc00:4711::1/128')
      object.program('p').unpin(pinned)
    }
  })
})
