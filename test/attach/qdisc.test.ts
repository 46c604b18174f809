import { execFileSync } from 'node:child_process'
import { Qdisc } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { useVeth } from './surroundings.js'

const veth = useVeth()
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

  it('explains that nobody has such a qdisc', () => {
    expect(() => new Qdisc(veth.name, 'bpf_nobody').create()).toThrow(
      `create qdisc 'bpf_nobody' of '${veth.name}': there is no qdisc of the kind 'bpf_nobody': neither the kernel nor a program has it (ENOENT)`,
    )
    // @ts-expect-error no kind
    expect(() => new Qdisc(veth.name)).toThrow('kind is not a string')
  })
})
