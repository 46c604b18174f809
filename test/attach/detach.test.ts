import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import {
  BpfMap,
  detachCgroup,
  detachLirc,
  detachNetkit,
  detachSockmap,
  detachTcx,
  detachXdp,
  type Program,
  queryCgroup,
  queryLirc,
  queryNetkit,
  querySockmap,
  queryTcx,
  queryXdp,
} from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { useBpffs, useCgroup } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { ip, loadOnly, netkit, requires, useProgram, useVeth } from './surroundings.js'

const veth = useVeth()
const cgroup = useCgroup()
const pin = useBpffs()

/** Compiles the program that attaches others without a link. */
function useAttacher() {
  const program = useProgram(readFileSync(new URL('../c/prog-attach.c', import.meta.url), 'utf8'))
  const attach = (attached: Program, target: number, type: keyof typeof typeNumber): void => {
    const path = pin('attached')
    attached.pin(path)
    execFileSync(program(), [path, String(target), String(typeNumber[type])])
    attached.unpin(path)
  }
  return Object.assign(attach, { path: program })
}

const networkIndex = (name: string): number => Number(ip('-o', 'link', 'show', name).split(':')[0])
const loadXdp = () => loadOnly('attach-net', ['xdp_pass', 'xdp_other'])

describe('detachXdp', () => {
  it('takes off what another program has attached with netlink', () => {
    using object = loadXdp()
    const path = pin('foreign')
    object.program('xdp_pass').pin(path)
    ip('link', 'set', 'dev', veth.name, 'xdpgeneric', 'pinned', path)
    object.program('xdp_pass').unpin(path)
    const { id } = object.program('xdp_pass')
    expect(queryXdp(veth.name)).toMatchObject({ mode: 'generic', programId: id })
    detachXdp(veth.name)
    expect(queryXdp(veth.name).mode).toBeUndefined()
    expect(thrownBy(() => detachXdp(veth.name))).toMatchObject({
      code: 'ENOENT',
      message: `detach XDP from '${veth.name}': no program is attached (ENOENT)`,
    })
  })

  it('refuses if a program other than the expected one is attached', () => {
    using object = loadXdp()
    using link = object.program('xdp_pass').attachXdp(veth.name, { replace: true })
    const wrong = { program: object.program('xdp_other') }
    expect(thrownBy(() => detachXdp(veth.name, wrong))).toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('another program is attached'),
    })
    expect(thrownBy(() => detachXdp(veth.name, { mode: 'offload' }))).toMatchObject({ code: 'ENOENT' })
    detachXdp(veth.name, { mode: link.mode, program: { programId: object.program('xdp_pass').id } })
    expect(queryXdp(veth.name).programId).toBe(0)
  })

  requiresKernel('5.9', 'says that a link holds the program', () => {
    using object = loadXdp()
    using _link = object.program('xdp_pass').attachXdp(veth.name)
    expect(thrownBy(() => detachXdp(veth.name))).toMatchObject({
      code: 'EBUSY',
      message: expect.stringContaining(
        'it was attached with a link: detach it with Link.fromId(id).detach()',
      ),
    })
  })
})

describe('attachXdp with replace', () => {
  it('takes the place of a program atomically, and detaches its own only', () => {
    using object = loadXdp()
    const [pass, other] = [object.program('xdp_pass'), object.program('xdp_other')]
    const first = pass.attachXdp(veth.name, { replace: true })
    expect(first.fd).toBe(-1)
    expect(thrownBy(() => other.attachXdp(veth.name, { replace: other }))).toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('a program other than the given one is attached'),
    })
    using second = other.attachXdp(veth.name, { replace: { programId: pass.id } })
    expect(queryXdp(veth.name).programId).toBe(other.id)
    first.close()
    expect(queryXdp(veth.name).programId).toBe(other.id)
    second.close()
    expect(queryXdp(veth.name).programId).toBe(0)
  })

  requiresKernel('5.9', 'cannot take the place of a program that a link holds', () => {
    using object = loadXdp()
    using _link = object.program('xdp_pass').attachXdp(veth.name)
    expect(thrownBy(() => object.program('xdp_other').attachXdp(veth.name, { replace: true }))).toMatchObject(
      {
        code: 'EBUSY',
        message: expect.stringContaining("replace it with the link's update()"),
      },
    )
  })
})

describe('Link.update with expected', () => {
  requiresKernel('5.9', 'only replaces the expected program', () => {
    using object = loadXdp()
    const [pass, other] = [object.program('xdp_pass'), object.program('xdp_other')]
    using link = pass.attachXdp(veth.name)
    expect(thrownBy(() => link.update(other, { expected: other }))).toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('a program other than the expected one is attached'),
    })
    expect(queryXdp(veth.name).programId).toBe(pass.id)
    link.update(other, { expected: { programId: pass.id } })
    expect(queryXdp(veth.name).programId).toBe(other.id)
  })
})

describe('detachCgroup', () => {
  const type = 'cgroup_inet_egress'
  const idsThere = () => queryCgroup(cgroup(), type).programs.map(({ programId }) => programId)

  it('takes off programs that stay after the process that attached them', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    const [one, two] = [object.program('cgroup_egress'), object.program('cgroup_egress_second')]
    for (const program of [one, two]) program.attachCgroup(cgroup(), { allow: 'multi' }).disconnect()
    expect(idsThere()).toEqual([one.id, two.id])
    expect(thrownBy(() => detachCgroup(cgroup(), type))).toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('several programs can be attached there; pass the one to detach'),
    })
    detachCgroup(cgroup(), type, { programId: one.id })
    expect(idsThere()).toEqual([two.id])
    detachCgroup(cgroup(), type, two)
    expect(idsThere()).toEqual([])
    expect(thrownBy(() => detachCgroup(cgroup(), type, two))).toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('it is not attached there, or it is attached with a link'),
    })
  })

  it('needs no program where only one is allowed', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    object.program('cgroup_egress').attachCgroup(cgroup(), { allow: 'override' }).disconnect()
    detachCgroup(cgroup(), type)
    expect(idsThere()).toEqual([])
    expect(() => detachCgroup('/tmp', type)).toThrow('it is not a folder of a cgroup v2 file system')
  })

  requiresKernel('5.6', 'is not needed to replace one of several programs in its place', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    const [one, two] = [object.program('cgroup_egress'), object.program('cgroup_egress_second')]
    using first = one.attachCgroup(cgroup(), { allow: 'multi' })
    expect(thrownBy(() => two.attachCgroup(cgroup(), { allow: 'multi', replace: two }))).toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('the program to replace is not attached there'),
    })
    using second = two.attachCgroup(cgroup(), { allow: 'multi', replace: one })
    expect(idsThere()).toEqual([two.id])
    expect(() => one.attachCgroup(cgroup(), { replace: two, allow: 'none' })).toThrow(TypeError)
    first.close()
    expect(idsThere()).toEqual([two.id])
    second.close()
    expect(idsThere()).toEqual([])
  })
})

/** The kernel's number of an attach type. */
const typeNumber = { flow_dissector: 17, tcx_ingress: 46, netkit_primary: 54 }

const byOthers = useAttacher()

describe('detachTcx', () => {
  requiresKernel('6.6', 'takes off what another program has attached without a link', () => {
    using object = loadOnly('attach-net', ['tc_first', 'tc_second'])
    const [first, second] = [object.program('tc_first'), object.program('tc_second')]
    for (const program of [first, second]) byOthers(program, networkIndex(veth.name), 'tcx_ingress')
    const there = () => queryTcx(veth.name, 'ingress').programs
    expect(there()).toEqual([first, second].map(({ id }) => ({ programId: id, linkId: undefined })))
    const { revision } = queryTcx(veth.name, 'ingress')
    detachTcx(veth.name, 'ingress', { programId: first.id }, { revision })
    expect(there().map(({ programId }) => programId)).toEqual([second.id])
    expect(thrownBy(() => detachTcx(veth.name, 'ingress', second, { revision }))).toMatchObject({
      code: 'ESTALE',
      message: expect.stringContaining('the list of programs has changed since the given revision'),
    })
    detachTcx(veth.name, 'ingress', second)
    expect(there()).toEqual([])
  })

  requiresKernel('6.6', 'leaves alone what is attached with a link', () => {
    using object = loadOnly('attach-net', ['tc_first', 'tc_second'])
    const [first, second] = [object.program('tc_first'), object.program('tc_second')]
    using _link = second.attachTcx(veth.name, { direction: 'ingress' })
    expect(thrownBy(() => detachTcx(veth.name, 'ingress', first))).toMatchObject({ code: 'ENOENT' })
    expect(thrownBy(() => detachTcx(veth.name, 'ingress', second))).toMatchObject({
      code: 'EBUSY',
      message: expect.stringContaining('it is attached with a link'),
    })
    expect(thrownBy(() => detachTcx(veth.name, 'ingress', first, { revision: 4711n }))).toMatchObject({
      code: 'ESTALE',
    })
    expect(queryTcx(veth.name, 'ingress').programs).toHaveLength(1)
  })
})

describe('detachNetkit', () => {
  requires(netkit, 'takes off what another program has attached without a link', () => {
    const name = `${veth.name}nk`
    ip('link', 'add', name, 'type', 'netkit')
    try {
      using object = loadOnly('attach-net', ['netkit_primary', 'netkit_other'])
      const [first, second] = [object.program('netkit_primary'), object.program('netkit_other')]
      byOthers(first, networkIndex(name), 'netkit_primary')
      const there = () => queryNetkit(name, 'primary').programs.map(({ programId }) => programId)
      expect(there()).toEqual([first.id])
      expect(thrownBy(() => detachNetkit(name, 'primary', second))).toMatchObject({ code: 'ENOENT' })
      detachNetkit(name, 'primary', first)
      expect(there()).toEqual([])
      using _link = first.attachNetkit(name)
      expect(() => detachNetkit(name, 'primary', first)).toThrow('it is attached with a link')
    } finally {
      ip('link', 'del', name)
    }
  })
})

describe('detachFlowDissector', () => {
  // That of the initial network namespace would exclude all others.
  it('takes off what another program has attached without a link', async () => {
    const script = `
      import { execFileSync } from 'node:child_process'
      import { BpfObject, detachFlowDissector, queryNetns } from 'libbpf-node'
      const [, file, attacher, pin] = process.argv
      const object = BpfObject.open(file)
      const program = object.program('dissect')
      program.autoload = true
      object.loadSync()
      program.pin(pin)
      execFileSync(attacher, [pin, '0', '${typeNumber.flow_dissector}'])
      program.unpin(pin)
      const there = () =>
        queryNetns('/proc/self/ns/net', 'flow_dissector').programs.map(({ programId }) => programId === program.id)
      console.log(there())
      detachFlowDissector(program)
      console.log(there())
      try {
        detachFlowDissector(program)
      } catch (error) {
        console.log(error.message)
      }`
    const args = [objectPath('attach-net'), byOthers.path(), pin('dissector')]
    expect(await runChild(script, args, { under: ['ip', 'netns', 'exec', veth.netns] })).toMatchObject({
      stderr: '',
      stdout: `[ true ]
[]
detach a program from flow_dissector of the network namespace: it is not attached there, or it is attached with a link: detach that with Link.fromId(id).detach() (ENOENT)
`,
    })
  })
})

describe('detachSockmap', () => {
  requiresKernel('5.18', 'takes off a program that was attached without a link', () => {
    using object = loadOnly('attach-net', ['on_message'])
    using map = BpfMap.create({ type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 1 })
    const program = object.program('on_message')
    const ids = () => querySockmap(map, 'sk_msg_verdict').programs.map(({ programId }) => programId)
    if (kernelIs('6.10')) {
      using _link = program.attachSockmap(map)
      expect(ids()).toEqual([program.id])
      expect(() => detachSockmap(map, 'sk_msg_verdict', program)).toThrow()
    } else {
      program.attachSockmap(map).disconnect()
      expect(ids()).toEqual([program.id])
      detachSockmap(map, 'sk_msg_verdict', program)
    }
    expect(ids()).toEqual([])
  })
})

/** A receiver that receives what it sends. */
const loopback = {
  missing: 'built without CONFIG_RC_LOOPBACK',
  here: () => {
    try {
      execFileSync('modprobe', ['-n', 'rc-loopback'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  },
}

describe('attachLirc', () => {
  it('refuses what is not an infrared receiver', () => {
    using object = loadOnly('attach-net', ['xdp_pass'])
    const program = object.program('xdp_pass')
    expect(() => program.attachLirc('/dev/null')).toThrow('attachLirc() is for lirc_mode2')
    expect(() => detachLirc('/dev/null', program)).toThrow(/detach a program from lirc_mode2 of \/dev\/null/)
    expect(() => detachLirc('/no/such/device', program)).toThrow('cannot be opened (ENOENT)')
    expect(() => queryLirc('/dev/null')).toThrow('it is not an infrared receiver, such as /dev/lirc0')
  })

  // Debian's kernels have receivers, as modules, but no programs for them. That takes CONFIG_BPF_LIRC_MODE2, which is only
  // possible if the drivers are built in.
  requires(loopback, 'says what the kernel of a receiver is built without', async () => {
    execFileSync('modprobe', ['rc-loopback'])
    await until('there is a receiver', () => existsSync('/dev/lirc0'))
    try {
      using object = loadOnly('attach-net', ['xdp_pass'])
      for (const call of [
        () => detachLirc('/dev/lirc0', object.program('xdp_pass')),
        () => queryLirc('/dev/lirc0'),
      ])
        expect(call).toThrow('or the kernel was built without CONFIG_BPF_LIRC_MODE2')
    } finally {
      execFileSync('modprobe', ['-r', 'rc-loopback'])
    }
  })
})

describe('what libbpf-node cannot detach', () => {
  it('is refused before the kernel is asked', () => {
    // @ts-expect-error not a program
    expect(() => detachCgroup(cgroup(), 'cgroup_inet_egress', 'egress')).toThrow(TypeError)
    expect(() => detachXdp('no-such-interface')).toThrow('no such network interface')
    // @ts-expect-error not a mode
    expect(() => detachXdp(veth.name, { mode: 'fast' })).toThrow(TypeError)
    expect(execFileSync('ip', ['link', 'show', veth.name], { encoding: 'utf8' })).not.toContain('xdp')
  })
})
