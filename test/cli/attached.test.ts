// The commands net, cgroup and perf, compared with bpftool for what the tests have attached.
import { networkPrograms, perfPrograms, queryCgroup, queryXdp } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { ip, loadOnly, useVeth } from '../attach/surroundings.js'
import { libbpfNode } from '../codegen/helper.js'
import { bpftoolJson, comparesWithBpftool } from '../helpers/bpftool.js'
import { requiresKernel } from '../helpers/kernel.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'

useTracefs()
const veth = useVeth()
const cgroup = useCgroup()
const pin = useBpffs()

async function text(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await libbpfNode(args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await text(...args, '--json')) as T

describe('libbpf-node net', () => {
  comparesWithBpftool('lists XDP programs and classifiers as bpftool does', async () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'tc_first', 'tc_second'])
    using _xdp = object.program('xdp_pass').attachXdp(veth.name, { mode: 'generic' })
    using ingress = object.program('tc_first').attachTc(veth.name, 'ingress', { priority: 7 })
    using _egress = object.program('tc_second').attachTc(veth.name, 'egress')
    type Net = { xdp: object[]; tc: object[] }
    const [ours] = await json<Net[]>('net', 'list', 'dev', veth.name)
    const [theirs] = bpftoolJson<Net[]>('net', 'list', 'dev', veth.name)
    expect(ours?.xdp).toEqual(theirs?.xdp)
    expect(ours?.xdp).toHaveLength(1)
    // bpftool lists TCX only in newer versions, and nothing is attached there.
    expect(ours?.tc).toEqual(theirs?.tc)
    expect(ours?.tc).toHaveLength(2)
    expect(networkPrograms({ interface: veth.name }).tc[0]).toMatchObject({
      interface: veth.name,
      kind: 'clsact/ingress',
      programId: object.program('tc_first').id,
      handle: ingress.handle,
      priority: 7,
    })
    const shown = await text('net', 'list')
    expect(shown).toContain(`${veth.name}(${queryIndex()}) generic id ${object.program('xdp_pass').id}`)
    expect(shown).toMatch(
      new RegExp(`^${veth.name}\\(\\d+\\) clsact/egress tc_second:\\[\\d+\\] id \\d+ handle`, 'm'),
    )
  })

  requiresKernel('6.6', 'lists TCX programs with their links', async () => {
    using object = loadOnly('attach-net', ['tc_first'])
    using link = object.program('tc_first').attachTcx(veth.name, { direction: 'egress' })
    const { id } = object.program('tc_first')
    const [{ tc }] = await json<[{ tc: object[] }]>('net', 'list', 'dev', veth.name)
    expect(tc).toContainEqual({
      devname: veth.name,
      ifindex: queryIndex(),
      kind: 'tcx/egress',
      name: 'tc_first',
      prog_id: id,
      prog_flags: [],
      link_id: link.info().id,
      link_flags: [],
    })
  })

  it('attaches, replaces and detaches XDP programs that stay', async () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'xdp_other'])
    const [pass, other] = [object.program('xdp_pass'), object.program('xdp_other')]
    pass.pin(pin('pass'))
    await text('net', 'attach', 'xdpgeneric', 'pinned', pin('pass'), 'dev', veth.name)
    pass.unpin(pin('pass'))
    expect(queryXdp(veth.name)).toMatchObject({ mode: 'generic', programId: pass.id })
    const again = ['net', 'attach', 'xdpgeneric', String(other.id), 'dev', veth.name]
    expect(await libbpfNode(again)).toMatchObject({
      status: 1,
      stderr: `libbpf-node net: ${veth.name} has an XDP program already (generic); overwrite replaces it\n`,
    })
    await text(...again, 'overwrite')
    expect(queryXdp(veth.name).programId).toBe(other.id)
    expect((await libbpfNode(['net', 'detach', 'xdp', String(pass.id), 'dev', veth.name])).stderr).toContain(
      'another program is attached',
    )
    await text('net', 'detach', 'xdp', 'dev', veth.name)
    expect(queryXdp(veth.name).programId).toBe(0)
  })

  it('explains arguments that are wrong', async () => {
    const failing = async (...args: string[]) => (await libbpfNode(['net', ...args])).stderr
    expect(await failing('detach', 'xdp', 'dev', `${veth.name}x`)).toContain('no such network interface')
    expect(await failing('detach', 'tcx_ingress', 'dev', veth.name)).toContain('needs a program')
    expect(await failing('attach', 'tc', '1', 'dev', veth.name)).toContain("unknown type 'tc'")
  })
})

describe('libbpf-node cgroup', () => {
  // On older kernels, bpftool fails at the attach types that they do not have.
  comparesWithBpftool(
    'lists programs as bpftool does, of one cgroup and of a tree',
    async () => {
      using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
      for (const name of ['cgroup_egress', 'cgroup_egress_second'])
        object.program(name).attachCgroup(cgroup(), { allow: 'multi' })
      type Row = { id: number; attach_type: string; attach_flags: string; name: string }
      const short = ({ id, attach_type, attach_flags, name }: Row) => [id, attach_type, attach_flags, name]
      const ours = await json<Row[]>('cgroup', 'list', cgroup())
      expect(ours.map(short)).toEqual(bpftoolJson<Row[]>('cgroup', 'list', cgroup()).map(short))
      expect(ours).toHaveLength(2)
      type Tree = { cgroup: string; programs: Row[] }[]
      expect(
        (await json<Tree>('cgroup', 'tree', cgroup())).map((one) => [one.cgroup, one.programs.map(short)]),
      ).toEqual(
        bpftoolJson<Tree>('cgroup', 'tree', cgroup()).map((one) => [one.cgroup, one.programs.map(short)]),
      )
      expect(await text('cgroup', 'tree')).toMatch(
        new RegExp(
          `^${cgroup()}\n +id +attach type +flags +name\n *\\d+ +cgroup_inet_egress +multi +cgroup_egress$`,
          'm',
        ),
      )
      expect(await text('cgroup', 'list', cgroup(), 'effective')).toContain('cgroup_egress')
    },
    '6.7',
  )

  it('attaches and detaches programs that stay', async () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    const id = String(object.program('cgroup_egress').id)
    const there = () => queryCgroup(cgroup(), 'cgroup_inet_egress')
    await text('cgroup', 'attach', cgroup(), 'cgroup_inet_egress', id, 'multi')
    expect(there()).toMatchObject({ programs: [{ programId: Number(id) }], attachFlags: 2 })
    await text('cgroup', 'detach', cgroup(), 'cgroup_inet_egress', id)
    expect(there().programs).toEqual([])
    expect(await libbpfNode(['cgroup', 'detach', cgroup(), 'cgroup_inet_egres', id])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("did you mean 'cgroup_inet_egress'"),
    })
    expect((await libbpfNode(['cgroup', 'list', '/tmp'])).stderr).toContain('not a folder of a cgroup v2')
  })
})

describe('libbpf-node perf', () => {
  comparesWithBpftool('lists tracepoints and uprobes as bpftool does', async () => {
    using object = loadOnly('attach-trace', ['on_call', 'on_tracepoint'])
    using _uprobe = object.program('on_call').attachUprobe('libc.so.6', { symbol: 'getpid' })
    using _tracepoint = object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch')
    type Row = { pid: number; fd_type: string }
    const mine = (rows: Row[]) => rows.filter(({ pid }) => pid === process.pid)
    const ours = mine(await json<Row[]>('perf', 'list'))
    expect(ours).toEqual(mine(bpftoolJson<Row[]>('perf', 'list')))
    expect(ours.map(({ fd_type }) => fd_type).sort()).toEqual(['tracepoint', 'uprobe'])
    expect([...perfPrograms()].filter(({ pid }) => pid === process.pid)).toContainEqual(
      expect.objectContaining({ type: 'tracepoint', name: 'sched_switch' }),
    )
    expect(await text('perf', 'list')).toMatch(
      new RegExp(`^pid ${process.pid}  fd \\d+: prog_id \\d+  tracepoint  sched_switch$`, 'm'),
    )
  })
})

function queryIndex(): number {
  return Number(ip('-o', 'link', 'show', veth.name).split(':')[0])
}
