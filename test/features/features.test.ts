import { readdirSync, readFileSync } from 'node:fs'
import { type Answer, features, setLogger } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'

const answer = (given: Answer): string => given.answer

describe('features', () => {
  it('answer with the version that introduced the feature', () => {
    expect(features.programType('socket_filter')).toEqual({ answer: 'yes', since: '3.19' })
    expect(features.mapType('hash')).toEqual({ answer: 'yes', since: '3.19' })
    expect(answer(features.attachType('cgroup_inet_ingress'))).toBe('yes')
    expect(answer(features.isa('v2'))).toBe('yes')
    expect(answer(features.verifier('bounded_loops'))).toBe('yes')
  })

  it('know which helpers programs of a type may call', () => {
    expect(answer(features.helper('xdp', 'redirect_map'))).toBe('yes')
    expect(answer(features.helper('xdp', 'bpf_redirect_map'))).toBe('yes')
    expect(features.helper('socket_filter', 'redirect_map')).toEqual({
      answer: 'no',
      reason: 'programs of type socket_filter cannot call it',
    })
    expect(answer(features.helper('tracing', 'map_lookup_elem'))).toBe('unknown')
    expect(features.helper('struct_ops', 'map_lookup_elem')).toEqual({
      answer: 'unknown',
      reason: 'for programs of type struct_ops it depends on what they are attached to',
    })
    const xdp = features.helpers('xdp')
    expect(xdp.get('redirect_map')?.answer).toBe('yes')
    expect(xdp.get('sk_assign')?.answer).toBe('no')
  })

  it('know that other kernel functions cannot be called', () => {
    expect(answer(features.kfunc('do_exit'))).toBe('no')
    expect(answer(features.kfunc('no_such_function'))).toBe('no')
  })

  requiresKernel('6.4', 'know which kernel functions are kfuncs', () => {
    expect(answer(features.kfunc('bpf_rdonly_cast', 'xdp'))).toBe('yes')
  })

  requiresKernel('6.6', 'know which types of links this kernel supports', () => {
    for (const type of [
      'cgroup',
      'netns',
      'iter',
      'xdp',
      'tcx',
      'netfilter',
      'uprobe_multi',
      'perf_event',
    ] as const) {
      expect([type, answer(features.linkType(type))]).toEqual([type, 'yes'])
    }
    expect(answer(features.isa('v4'))).toBe('yes')
  })

  requiresFeature('hardening', 'answer no with the reason when a hardened kernel refuses programs', () => {
    for (const type of ['trace_fentry', 'trace_fexit', 'lsm_mac'] as const) {
      const given = features.attachType(type)
      expect(given.answer).toBe('no')
      expect(given.reason).toMatch(
        /^not permitted although the process has CAP_BPF and CAP_PERFMON: this kernel forbids it/,
      )
    }
    expect(features.programType('tracing').answer).toBe('unknown')
    expect(features.attachType('trace_iter').answer).toBe('yes')
  })

  requiresFeature('trampolines', 'know that fentry, fexit and LSM are supported', () => {
    for (const type of ['trace_fentry', 'trace_fexit', 'lsm_mac'] as const) {
      expect([type, answer(features.attachType(type))]).toEqual([type, 'yes'])
    }
  })

  it('give the same answers on the pool, and leave nothing open', async () => {
    const fds = () => readdirSync('/proc/self/fd').length
    const before = fds()
    const all = features.allSync()
    expect(fds()).toBe(before)
    expect(await features.all()).toEqual(all)
    expect(Object.keys(all.programTypes).length).toBeGreaterThan(30)
    expect(all.helpers.xdp).toContain('redirect_map')
    expect(all.helpers.tracing).toBeUndefined()
    expect(all.programTypes.xdp).toEqual(features.programType('xdp'))
  })

  it('are found out only once', () => {
    expect(features.programType('xdp')).toBe(features.programType('xdp'))
    expect(features.helpers('xdp')).toBe(features.helpers('xdp'))
    expect(features.helper('xdp', 'redirect')).toBe(features.helper('xdp', 'redirect'))
  })

  it('send nothing to the logger', () => {
    const lines: string[] = []
    setLogger((_level, message) => lines.push(message), 'warn')
    try {
      features.helper('sched_cls', 'skb_store_bytes')
      features.kfunc('do_exit', 'sched_cls')
    } finally {
      setLogger(undefined)
    }
    expect(lines).toEqual([])
  })

  it('refuse unknown names and suggest others', () => {
    expect(() => features.programType('xpd' as never)).toThrow(
      /^program type 'xpd' does not exist; libbpf knows/,
    )
    expect(() => features.mapType('ring' as never)).toThrow(TypeError)
    expect(() => features.helper('xdp', 'redirect_mapp')).toThrow(
      "helper 'redirect_mapp' does not exist; did you mean 'redirect_map'?",
    )
    expect(() => features.isa('v9' as never)).toThrow(
      "instruction set 'v9' does not exist; there are v1, v2, v3, v4",
    )
    expect(() => features.verifier('constructor' as never)).toThrow(TypeError)
    expect(() => features.linkType('nope' as never)).toThrow(TypeError)
    expect(() => features.attachType('nope' as never)).toThrow(TypeError)
  })
})

describe('features.machine', () => {
  it('reads how the machine is set up', () => {
    const machine = features.machine()
    expect(machine.btf.vmlinux).toBe(readdirSync('/sys/kernel/btf').includes('vmlinux'))
    expect(machine.unprivilegedBpfDisabled).toBe(
      Number(readFileSync('/proc/sys/kernel/unprivileged_bpf_disabled', 'utf8')),
    )
    expect(machine.capabilities.CAP_BPF).toBe(true)
  })

  it('agrees with a loaded program about the JIT', () => {
    using object = load('programs')
    const [program] = object.programs.values()
    expect(features.machine().jit === 'off').toBe(program!.info().jitedSize === 0)
  })
})

describe('features without privileges', () => {
  const script = `
    import { features } from 'libbpf-node'
    const { machine, ...all } = await features.all()
    console.log(JSON.stringify({ xdp: all.programTypes.xdp, lru: all.mapTypes.lru_hash, helpers: all.helpers.xdp ?? null,
      link: all.linkTypes.xdp, capabilities: machine.capabilities }))`

  it('are unknown, and the reason names the capabilities', async () => {
    using copy = copyForEveryone()
    const under = asNobody()
    const child = await runChild(script, [], { cwd: copy.path, under })
    expect(child.stderr).toBe('')
    const { xdp, lru, helpers, link, capabilities } = JSON.parse(child.stdout)
    const reason = expect.stringMatching(/^not permitted, the process lacks CAP_BPF/)
    expect(xdp).toEqual({ answer: 'unknown', reason, since: '4.8' })
    expect(lru).toEqual({ answer: 'unknown', reason, since: '4.10' })
    expect(link.answer).toBe('unknown')
    expect(helpers).toBeNull()
    expect(capabilities).toEqual({
      CAP_BPF: false,
      CAP_PERFMON: false,
      CAP_NET_ADMIN: false,
      CAP_SYS_ADMIN: false,
    })
  })
})

describe('features without kernel BTF', () => {
  it('are unknown if only BTF could tell, and helpers come from libbpf', async () => {
    const script = `
      import { features } from 'libbpf-node'
      console.log(JSON.stringify([features.machine().btf.vmlinux, features.programType('xdp').answer, features.helper('xdp', 'redirect_map').answer,
        features.attachType('xdp_devmap'), features.attachType('trace_iter').answer, features.linkType('cgroup').answer, features.kfunc('bpf_rdonly_cast').answer]))`
    const under = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', 'sh']
    const { stdout, stderr } = await runChild(script, [], { under })
    expect(stderr).toBe('')
    const reason = "only the kernel's BTF could tell, and it cannot be read"
    expect(JSON.parse(stdout)).toEqual([
      false,
      'yes',
      'yes',
      { answer: 'unknown', reason, since: '5.8' },
      'unknown',
      'yes',
      'unknown',
    ])
  })
})
