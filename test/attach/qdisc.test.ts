import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { kernelFunctions, Qdisc } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { requires, useVeth } from './surroundings.js'

const veth = useVeth()

const programs = {
  since: '6.16',
  missing: 'built without CONFIG_NET_SCH_BPF',
  here: () => kernelFunctions('bpf_qdisc_skb_drop').length > 0,
}

const kindsOf = (): string[] =>
  execFileSync('tc', ['qdisc', 'show', 'dev', veth.name], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])

describe('Qdisc', () => {
  it('is created and removed by its kind', () => {
    const qdisc = new Qdisc(veth.name, 'pfifo', { handle: 0x8000_0000 })
    expect(qdisc.create()).toBe(true)
    expect(kindsOf()).toEqual(['pfifo'])
    expect(qdisc.create()).toBe(false)
    qdisc.destroy()
    expect(kindsOf()).not.toContain('pfifo')
  })

  requires(programs, 'is a program', async () => {
    using object = load('qdisc')
    const qdisc = new Qdisc(veth.name, 'lbn_drop')
    expect(() => qdisc.create()).toThrow("there is no qdisc of the kind 'lbn_drop'")
    using _link = object.map('drop_all').attachStructOps()
    expect(qdisc.create()).toBe(true)
    expect(kindsOf()).toEqual(['lbn_drop'])
    const dropped = (): bigint => object.bss.dropped as bigint
    await until('it has dropped a packet', async () => {
      await new Promise((resolve) => {
        const socket = createSocket('udp4')
        socket.send('x', 4000, veth.peer, () => socket.close(resolve as () => void))
      })
      return dropped() > 0n
    })
    qdisc.destroy()
    expect(kindsOf()).not.toContain('lbn_drop')
  })

  it('explains that nobody has such a qdisc', () => {
    expect(() => new Qdisc(veth.name, 'bpf_nobody').create()).toThrow(
      `create qdisc 'bpf_nobody' of '${veth.name}': there is no qdisc of the kind 'bpf_nobody': neither the kernel nor a BPF program provides it (ENOENT)`,
    )
    // @ts-expect-error no kind
    expect(() => new Qdisc(veth.name)).toThrow('kind is not a string')
  })
})
