import { queryXdp } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { ip, loadOnly, useVeth } from './surroundings.js'

const veth = useVeth()
const load = () => loadOnly('attach-net', ['xdp_pass', 'xdp_other'])
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]

describe('attachXdp', () => {
  it('runs in the driver if it supports that', async () => {
    using object = load()
    using link = object.program('xdp_pass').attachXdp(veth.name)
    expect(link.mode).toBe('native')
    expect(link.target).toBe(veth.name)
    veth.send()
    await until('a packet was seen', () => runs(object)[0]! > 0n)
    expect(queryXdp(veth.name)).toMatchObject({ mode: 'native', programId: object.program('xdp_pass').id })
    expect(link.info()).toMatchObject({ type: 'xdp', ifindex: link.ifindex })
    link.close()
    expect(queryXdp(veth.name)).toMatchObject({ mode: undefined, programId: 0 })
  })

  it('uses generic mode if that is requested', async () => {
    using object = load()
    using link = object.program('xdp_pass').attachXdp(link0(), { mode: 'generic' })
    expect(queryXdp(veth.name)).toMatchObject({
      mode: 'generic',
      genericProgramId: object.program('xdp_pass').id,
    })
    expect(link.mode).toBe('generic')
    veth.send()
    await until('a packet was seen', () => runs(object)[0]! > 0n)
  })

  it('falls back to generic mode if the driver refuses', () => {
    const bridge = `${veth.name}br`
    ip('link', 'add', bridge, 'type', 'bridge')
    try {
      using object = load()
      using link = object.program('xdp_pass').attachXdp(bridge)
      expect(link.mode).toBe('generic')
      link.close()
      expect(() => object.program('xdp_pass').attachXdp(bridge, { mode: 'native' })).toThrow(
        'its driver does not support native XDP',
      )
      expect(() => object.program('xdp_pass').attachXdp(bridge, { mode: 'offload' })).toThrow(
        'does not support offload XDP',
      )
    } finally {
      ip('link', 'del', bridge)
    }
  })

  it('explains that the MTU is too large for native mode', () => {
    using object = loadOnly('attach-net', ['xdp_pass'])
    const mtu = (bytes: string) => ip('-n', veth.netns, 'link', 'set', veth.peerName, 'mtu', bytes)
    mtu('9000')
    try {
      expect(() => object.program('xdp_pass').attachXdp(veth.name, { mode: 'native' })).toThrow(
        'the MTU of the interface (or of its peer, for veth) is too large for native XDP; lower it, or compile the program with SEC("xdp.frags") (ERANGE)',
      )
      using link = object.program('xdp_pass').attachXdp(veth.name)
      expect(link.mode).toBe('generic')
    } finally {
      mtu('1500')
    }
  })

  it('is updated to another program atomically', async () => {
    using object = load()
    using link = object.program('xdp_pass').attachXdp(veth.name)
    link.update(object.program('xdp_other'))
    expect(queryXdp(veth.name).programId).toBe(object.program('xdp_other').id)
    veth.send()
    await until('a packet was seen', () => runs(object)[1]! > 0n)
  })

  it('names the program that is attached already', () => {
    using object = load()
    using _link = object.program('xdp_pass').attachXdp(veth.name)
    const error = thrownBy(() => object.program('xdp_other').attachXdp(veth.name))
    expect(error).toMatchObject({
      code: 'EBUSY',
      message: `attach program 'xdp_other' to XDP of '${veth.name}' (native): program ${object.program('xdp_pass').id} is attached already (native), and only one is allowed (EBUSY)`,
    })
  })

  it('proposes similar names for an interface that does not exist', () => {
    using object = load()
    expect(() => object.program('xdp_pass').attachXdp(`${veth.name}x`)).toThrow(
      `no such network interface '${veth.name}x'; did you mean '${veth.name}'`,
    )
    expect(() => object.program('xdp_pass').attachXdp(2 ** 30)).toThrow(/no interface has that index/)
    expect(() => object.program('xdp_pass').attachXdp(0)).toThrow(TypeError)
    // @ts-expect-error not a mode
    expect(() => object.program('xdp_pass').attachXdp(veth.name, { mode: 'fast' })).toThrow(TypeError)
  })

  it('reports the features of the driver', () => {
    // NETDEV_XDP_ACT_BASIC
    if (kernelIs('6.3')) expect(queryXdp(veth.name).features & 1n).toBe(1n)
    else expect(queryXdp(veth.name).features).toBe(0n)
  })
})

/** The interface by its index instead of its name. */
function link0(): number {
  return Number(ip('-o', 'link', 'show', veth.name).split(':')[0])
}
