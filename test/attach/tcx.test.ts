import { createSocket } from 'node:dgram'
import { Link, queryNetkit, queryTcx } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { ip, loadOnly, netkit, requires, useVeth } from './surroundings.js'

const veth = useVeth()
const load = () => loadOnly('attach-net', ['tc_first', 'tc_second', 'tc_third', 'tcx_egress'])
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]
const ingress = { direction: 'ingress' } as const

describe('attachTcx', () => {
  requiresKernel('6.6', 'runs on packets in the direction from the options or SEC()', async () => {
    using object = load()
    using link = object.program('tc_first').attachTcx(veth.name, ingress)
    using out = object.program('tcx_egress').attachTcx(veth.name)
    veth.send()
    await until('packets were seen', () => runs(object)[0]! > 0n && runs(object)[3]! > 0n)
    expect(link.info()).toMatchObject({ type: 'tcx', attachType: 'tcx_ingress' })
    expect(out.info()).toMatchObject({ type: 'tcx', attachType: 'tcx_egress' })
    expect(() => object.program('tc_second').attachTcx(veth.name)).toThrow(
      "program 'tc_second': the direction is required as an option",
    )
  })

  requiresKernel('6.6', 'runs at the position that the anchor asks for', async () => {
    using object = load()
    const ids = ['tc_first', 'tc_second', 'tc_third'].map((name) => object.program(name).id)
    const order = () => queryTcx(veth.name, 'ingress').programs.map(({ programId }) => programId)
    const attach = (name: string, anchor: object | string) =>
      object.program(name).attachTcx(veth.name, { ...ingress, anchor: anchor as 'first' })

    using second = attach('tc_second', 'last')
    using first = attach('tc_first', { before: second })
    using third = attach('tc_third', { after: object.program('tc_second') })
    expect(order()).toEqual(ids)
    expect(queryTcx(veth.name, 'ingress').programs[2]!.linkId).toBe(third.info().id)
    object.bss.order = 0n
    veth.send()
    await until('all have run', () => (object.bss.order as bigint) >= 123n)
    expect(String(object.bss.order)).toMatch(/^(123)+/)

    third.close()
    using _again = attach('tc_third', { before: { linkId: first.info().id } })
    expect(order()).toEqual([ids[2], ids[0], ids[1]])
    second.close()
    using _once = attach('tc_second', { after: { programId: ids[2]! } })
    expect(order()).toEqual([ids[2], ids[1], ids[0]])
  })

  requiresKernel('6.6', 'refuses if the list has changed since the given revision', () => {
    using object = load()
    const { revision } = queryTcx(veth.name, 'ingress')
    using _link = object.program('tc_first').attachTcx(veth.name, { ...ingress, revision })
    const error = thrownBy(() => object.program('tc_second').attachTcx(veth.name, { ...ingress, revision }))
    expect(error).toMatchObject({ code: 'ESTALE' })
    expect((error as Error).message).toContain('has changed since the given revision')
  })

  requiresKernel(
    '6.6',
    'explains that the program is attached already, and that the anchor is not attached',
    () => {
      using object = load()
      const anchor = { before: object.program('tc_second') }
      expect(() => object.program('tc_first').attachTcx(veth.name, { ...ingress, anchor })).toThrow(
        'the program given as anchor is not attached there',
      )
      using _link = object.program('tc_first').attachTcx(veth.name, ingress)
      expect(() => object.program('tc_first').attachTcx(veth.name, ingress)).toThrow(
        'this program is attached there already',
      )
    },
  )

  requiresKernel('6.6', 'returns a link that can be opened again by id and by descriptor', () => {
    using object = load()
    const link = object.program('tc_first').attachTcx(veth.name, ingress)
    const { id } = link.info()
    using byId = Link.fromId(id)
    using byFd = Link.fromFd(link.fd)
    expect(byId.info().id).toBe(id)
    expect(byFd.info().id).toBe(id)
    link.close()
    // The other two still hold it.
    expect(queryTcx(veth.name, 'ingress').programs).toHaveLength(1)
    byFd.update(object.program('tc_second'))
    expect(byId.info().programId).toBe(object.program('tc_second').id)
    byFd.detach()
    expect(queryTcx(veth.name, 'ingress').programs).toHaveLength(0)
    expect(byId.info()).toMatchObject({ type: 'tcx', ifindex: 0 })
  })

  requiresKernel('6.6', 'is detached when its interface is deleted', () => {
    using object = load()
    const name = `${veth.name}br`
    ip('link', 'add', name, 'type', 'bridge')
    using link = object.program('tc_first').attachTcx(name, ingress)
    ip('link', 'del', name)
    expect(link.info()).toMatchObject({ ifindex: 0 })
  })

  it('attaches, or explains that the kernel is too old', () => {
    using object = load()
    try {
      object.program('tc_first').attachTcx(veth.name, ingress).close()
    } catch (error) {
      expect((error as Error).message).toContain('it came with Linux 6.6, this is')
    }
  })
})

describe('attachNetkit', () => {
  requires(netkit, 'runs on packets that leave a netkit device', async () => {
    const name = `${veth.name}nk`
    ip('link', 'add', name, 'type', 'netkit')
    try {
      using object = loadOnly('attach-net', ['netkit_primary', 'netkit_other'])
      using link = object.program('netkit_primary').attachNetkit(name)
      expect(link.info()).toMatchObject({ type: 'netkit', attachType: 'netkit_primary' })
      expect(queryNetkit(name, 'primary').programs).toEqual([
        { programId: object.program('netkit_primary').id, linkId: link.info().id },
      ])
      const peer = /@([^:]+):/.exec(ip('-o', 'link', 'show', name))![1]!
      ip('addr', 'add', '10.212.0.1/24', 'dev', name)
      for (const end of [name, peer]) ip('link', 'set', end, 'up')
      await until('a packet was seen', async () => {
        await new Promise((resolve) => {
          const socket = createSocket('udp4')
          socket.send('x', 4000, '10.212.0.2', () => socket.close(resolve as () => void))
        })
        return runs(object)[0]! > 0n
      })
      link.update(object.program('netkit_other'))
      expect(link.info().programId).toBe(object.program('netkit_other').id)
      link.detach()
      expect(queryNetkit(name, 'primary').programs).toEqual([])
    } finally {
      ip('link', 'del', name)
    }
  })

  requiresKernel('6.7', 'refuses an interface that is not a netkit device', () => {
    using object = loadOnly('attach-net', ['netkit_primary'])
    expect(() => object.program('netkit_primary').attachNetkit(veth.name)).toThrow(
      'this network namespace has no such netkit device',
    )
  })
})
