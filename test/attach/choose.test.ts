import { existsSync, readdirSync } from 'node:fs'
import { BpfError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { requires } from './surroundings.js'

useTracefs()

describe('choose', () => {
  const candidates = ['nowhere', 'by_fentry', 'by_kprobe', 'by_raw_tracepoint']

  /** Chooses among programs, in that order, and returns the one that ran. */
  async function chooseAndRun(names: string[]): Promise<string> {
    using object = open('attach-kernel')
    object.rodata.wanted = process.pid
    const chosen = object.choose(...names)
    expect(names.filter((name) => object.program(name).autoload)).toEqual([chosen.name])
    await object.load()
    const links = object.attach()
    expect(links.map((link) => link.program)).toEqual([chosen.name])
    readdirSync('/')
    expect(object.bss.runs).toBeGreaterThan(0n)
    return chosen.name
  }

  it('keeps a program that this kernel runs, whichever kernel this is', async () => {
    expect(candidates.slice(1)).toContain(await chooseAndRun(candidates))
  })

  requiresFeature('trampolines', 'keeps fentry where the kernel takes it', async () => {
    expect(await chooseAndRun(candidates)).toBe('by_fentry')
  })

  requiresFeature('kprobes', 'keeps the kprobe where there is no function for fentry', async () => {
    expect(await chooseAndRun(['nowhere', 'by_kprobe', 'by_raw_tracepoint'])).toBe('by_kprobe')
  })

  requiresFeature('hardening', 'keeps neither where the kernel forbids it', async () => {
    const chosen = await chooseAndRun(['by_fentry', 'by_raw_tracepoint'])
    expect(chosen).toBe('by_raw_tracepoint')
  })

  it('explains for each program why the kernel refuses it, if it refuses all', () => {
    using object = open('attach-kernel')
    const error = thrownBy(() => object.choose('nowhere', 'somewhere'))
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({ code: 'ENOTSUP' })
    const { message } = error as BpfError
    expect(message).toContain("no such kernel function or hook 'no_such_function_at_all'")
    // A hardened kernel refuses before it looks at the target.
    expect(message).toMatch(
      /the target is missing: name it in SEC\(\) or with setAttachTarget\(\)|this kernel forbids it/,
    )
  })

  it('requires names of programs, before the object is loaded', () => {
    using object = open('attach-kernel')
    expect(() => object.choose()).toThrow(TypeError)
    expect(() => object.choose('by_kprob')).toThrow("did you mean 'by_kprobe'")
    object.loadSync()
    expect(thrownBy(() => object.choose('by_kprobe'))).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: "choose a program of object 'attach-kernel': it is already loaded",
    })
  })
})

describe('refusal', () => {
  it('is undefined for a program that the kernel runs, loaded or not, and leaves no descriptors behind', () => {
    using object = open('attach-kernel')
    for (let i = 0; i < 3; i++) expect(object.program('by_raw_tracepoint').refusal()).toBeUndefined()
    using net = open('attach-net')
    for (const name of ['xdp_pass', 'tc_first', 'cgroup_egress', 'cut']) {
      expect(net.program(name).refusal()).toBeUndefined()
    }
    net.loadSync()
    expect(net.program('xdp_pass').refusal()).toBeUndefined()
    using cgroup = open('attach-cgroup')
    for (const program of cgroup.programs.values()) {
      const refusal = program.refusal()
      if (kernelIs('6.7') || !program.name.endsWith('_unix')) expect(refusal?.message).toBeUndefined()
      else expect(refusal).toBeInstanceOf(BpfError)
    }
    using ops = open('struct-ops')
    expect(ops.program('ssthresh').refusal()).toBeUndefined()
    using trace = open('attach-trace')
    expect(trace.program('on_tracepoint').refusal()).toBeUndefined()
    using programs = open('programs')
    expect(programs.program('on_my_exec').refusal()).toBeUndefined()
  })

  const overlay = {
    here: () => existsSync('/sys/kernel/btf/overlay') && existsSync('/sys/kernel/btf/9pnet'),
    missing: 'overlayfs or 9p is no module that is loaded',
    since: '5.11',
  }
  requires(overlay, 'is undefined for functions and tracepoints of modules, too', async () => {
    using object = open('attach-kernel')
    const program = object.program('somewhere')
    for (const name of ['ovl_permission', 'overlay:ovl_permission']) {
      program.setAttachTarget(name)
      expect(program.refusal()?.message).toBeUndefined()
    }
    expect(object.choose('nowhere', 'somewhere', 'by_kprobe')).toBe(program)
    object.loadSync()
    program.attachTracing().close()

    using other = open('attach-kernel')
    other.program('somewhere').expectedAttachType = 'trace_raw_tp'
    other.program('somewhere').setAttachTarget('9p_client_req')
    expect(other.program('somewhere').refusal()?.message).toBeUndefined()
  })

  it('explains that a kernel is too old for uprobe.multi', () => {
    using object = open('attach-trace')
    const old = { on_calls: '6.6', on_call_and_return: '6.13' }
    for (const [name, version] of Object.entries(old)) {
      const message = object.program(name).refusal()?.message
      if (kernelIs(version)) expect(message).toBeUndefined()
      else expect(message).toContain(`it came with Linux ${version}`)
    }
  })

  requiresFeature('hardening', 'is what the kernel forbids', () => {
    using object = open('attach-kernel')
    expect(object.program('by_fentry').refusal()).toMatchObject({
      code: 'EPERM',
      program: 'by_fentry',
      target: 'iterate_dir',
      message: expect.stringContaining('this kernel forbids it'),
    })
  })

  it('throws after the object was closed', () => {
    const object = open('attach-kernel')
    object.close()
    expect(() => object.program('by_fentry').refusal()).toThrow('closed')
  })
})
