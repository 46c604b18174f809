import { execFileSync } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { queryCgroup } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useCgroup } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

const cgroup = useCgroup()
const runs = (object: { bss: { [name: string]: unknown } }): bigint[] => object.bss.runs as bigint[]

/** Runs a Node.js script in the cgroup. */
const inside = (script: string): string =>
  execFileSync(
    'sh',
    ['-c', `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`, process.execPath, script],
    {
      encoding: 'utf8',
    },
  )
const sendOne = `const s = require('dgram').createSocket('udp4'); s.send('x', 4000, '127.0.0.1', () => s.close())`

describe('attachCgroup', () => {
  it('runs on the packets that processes of the cgroup send', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    using link = object.program('cgroup_egress').attachCgroup(cgroup())
    inside(sendOne)
    expect(runs(object)[0]).toBe(1n)
    link.close()
    inside(sendOne)
    expect(runs(object)[0]).toBe(1n)
  })

  it('blocks the packets that the program rejects', () => {
    using object = loadOnly('attach-net', ['no_discard'])
    using _link = object.program('no_discard').attachCgroup(cgroup())
    const connect = (port: number) =>
      inside(
        `const s = require('net').connect(${port}, '127.0.0.1'); s.on('error', e => console.log(e.code)); s.on('connect', () => s.end())`,
      ).trim()
    expect(connect(9)).toBe('EPERM')
    expect(connect(10)).toBe('ECONNREFUSED')
    expect(runs(object)[0]).toBe(2n)
  })

  requiresKernel('5.8', 'accepts a descriptor, and the link knows the cgroup', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    const fd = openSync(cgroup(), 'r')
    try {
      using link = object.program('cgroup_egress').attachCgroup(fd)
      expect(link.info()).toMatchObject({
        type: 'cgroup',
        attachType: 'cgroup_inet_egress',
        cgroupId: statSync(cgroup(), { bigint: true }).ino,
      })
    } finally {
      closeSync(fd)
    }
  })

  it('is listed by queryCgroup', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    using _one = object.program('cgroup_egress').attachCgroup(cgroup())
    using _two = object.program('cgroup_egress_second').attachCgroup(cgroup())
    const ids = (effective: boolean) =>
      queryCgroup(cgroup(), 'cgroup_inet_egress', { effective }).programs.map(({ programId }) => programId)
    const attached = ['cgroup_egress', 'cgroup_egress_second'].map((name) => object.program(name).id)
    expect(ids(false)).toEqual(attached)
    expect(ids(true)).toEqual(expect.arrayContaining(attached))
    expect(queryCgroup(cgroup(), 'cgroup_inet_ingress').programs).toEqual([])
  })

  requiresKernel('6.17', 'runs at the position that the anchor asks for', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    using one = object.program('cgroup_egress').attachCgroup(cgroup())
    const { revision } = queryCgroup(cgroup(), 'cgroup_inet_egress')
    using _two = object
      .program('cgroup_egress_second')
      .attachCgroup(cgroup(), { anchor: { before: one }, revision })
    object.bss.order = 0n
    inside(sendOne)
    expect(object.bss.order).toBe(21n)
  })

  it('explains why a path is not usable as a cgroup', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    const program = object.program('cgroup_egress')
    expect(() => program.attachCgroup('/tmp')).toThrow('/tmp: it is not a folder of a cgroup v2 file system')
    expect(thrownBy(() => program.attachCgroup('/no/such/cgroup'))).toMatchObject({
      code: 'ENOENT',
      message:
        "attach program 'cgroup_egress' to cgroup_inet_egress of cgroup /no/such/cgroup: /no/such/cgroup cannot be opened (ENOENT)",
    })
  })
})
