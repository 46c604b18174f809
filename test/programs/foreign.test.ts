import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { type BpfObject, Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly, useProgram } from '../attach/surroundings.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load, thrownBy } from '../helpers/objects.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'

useTracefs()
const bpffs = useBpffs()
const cgroup = useCgroup()
const binary = useProgram(`
__attribute__((noinline)) int triple(int n) { __asm__(""); return 3 * n; }
int main() { return triple(0); }
`)
const execute = () => execFileSync('true')
const seen = (object: BpfObject): bigint => (object.bss.seen as { runs: bigint }).runs

describe('a program of another object', () => {
  it('is opened from its pin, its id and its descriptor', () => {
    using object = load('programs')
    const own = object.program('swap_macs')
    own.pin(bpffs('swap'))
    try {
      for (const open of [
        () => Program.fromPin(bpffs('swap')),
        () => Program.fromId(own.id),
        () => Program.fromFd(own.fd),
      ]) {
        using program = open()
        expect(program.id).toBe(own.id)
        expect(program.fd).not.toBe(own.fd)
        expect(program).toMatchObject({ name: 'swap_macs', section: '', type: 'xdp', loaded: true })
        expect(program.info()).toMatchObject({ name: 'swap_macs', tag: own.info().tag })
        expect(program.instructionCount).toBe(own.info().xlatedSize / 8)
      }
    } finally {
      own.unpin(bpffs('swap'))
    }
  })

  it('runs with test data and can be dumped and pinned, also after its object was closed', async () => {
    const object = load('programs')
    using program = Program.fromId(object.program('length').id)
    object.close()
    expect((await program.testRun({ data: new Uint8Array(100) })).retval).toBe(100 - 14)
    expect(program.testRunSync({ data: new Uint8Array(60) }).retval).toBe(60 - 14)
    expect(program.dump().instructions.length).toBeGreaterThan(1)
    program.pin(bpffs('length'))
    using pinned = Program.fromPin(bpffs('length'))
    expect(pinned.id).toBe(program.id)
    program.unpin(bpffs('length'))
    expect(() => Program.fromPin(bpffs('length'))).toThrow(/the file does not exist/)
  })

  requiresKernel('6.10', 'has its full name, which the kernel cuts off', () => {
    using object = loadOnly('attach-trace', ['on_raw_tracepoint_with_cookie'])
    using program = Program.fromId(object.program('on_raw_tracepoint_with_cookie').id)
    expect(program.info().name).toBe('on_raw_tracepoi')
    expect(program.name).toBe('on_raw_tracepoint_with_cookie')
  })

  it('is attached to tracepoints and raw tracepoints', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint', 'on_raw_tracepoint'])
    using tracepoint = Program.fromId(object.program('on_tracepoint').id)
    using link = tracepoint.attachTracepoint('sched', 'sched_process_exec')
    execute()
    expect(seen(object)).toBeGreaterThan(0n)
    link.close()
    using raw = Program.fromId(object.program('on_raw_tracepoint').id)
    using _raw = raw.attachRawTracepoint('sched_process_exec')
    const before = seen(object)
    execute()
    expect(seen(object)).toBeGreaterThan(before)
  })

  it('is attached to a function of a program', () => {
    using object = loadOnly('attach-trace', ['on_call'])
    using program = Program.fromId(object.program('on_call').id)
    using _link = program.attachUprobe(binary(), { symbol: 'triple' })
    execFileSync(binary())
    expect(seen(object)).toBe(1n)
  })

  it('is attached as its SEC() says, if that is given', () => {
    using object = load('programs')
    using program = Program.fromId(object.program('on_exec').id, { section: 'raw_tp/sched_process_exec' })
    expect(program.section).toBe('raw_tp/sched_process_exec')
    using link = program.attach()
    const before = object.bss.executions as bigint
    execute()
    expect(object.bss.executions).toBeGreaterThan(before)
    link.close()
    const after = object.bss.executions
    execute()
    expect(object.bss.executions).toBe(after)
  })

  requiresKernel('5.5', 'is attached to the target that it was loaded with', () => {
    using object = loadOnly('attach-trace', ['on_exec'])
    const { id } = object.program('on_exec')
    using program = Program.fromId(id)
    using link = program.attachTracing()
    execute()
    const runs = seen(object)
    expect(runs).toBeGreaterThan(0n)
    link.close()
    execute()
    expect(seen(object)).toBe(runs)
    using named = Program.fromId(id, { section: 'tp_btf/sched_process_exec' })
    using _again = named.attach()
    execute()
    expect(seen(object)).toBeGreaterThan(runs)
  })

  it('is attached to a cgroup, with its section', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    const { id } = object.program('cgroup_egress')
    using unknown = Program.fromId(id)
    expect(() => unknown.attachCgroup(cgroup())).toThrow(
      "program 'cgroup_egress' was opened without a section, and attachCgroup() needs to know what it is for: " +
        "open it with { section: 'cgroup_skb/egress' } or whatever its SEC() says",
    )
    using program = Program.fromId(id, { section: 'cgroup_skb/egress' })
    using _link = program.attachCgroup(cgroup())
    const send = `const s = require('dgram').createSocket('udp4'); s.send('x', 4000, '127.0.0.1', () => s.close())`
    const script = `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`
    execFileSync('sh', ['-c', script, process.execPath, send])
    expect((object.bss.runs as bigint[])[0]).toBe(1n)
  })

  it('is a target of tail calls', async () => {
    using object = loadOnly('attach-net', ['before_jump', 'after_jump'])
    using program = Program.fromId(object.program('after_jump').id)
    object.map<number, Program | number>('jumps').set(1, program)
    const { retval } = await object.program('before_jump').testRun({ data: new Uint8Array(64) })
    expect(retval).toBe(2)
  })

  requiresFeature('trampolines', 'has functions that another program replaces while it runs', async () => {
    using running = loadOnly('attach-freplace', [])
    using target = Program.fromId(running.program('ask').id)
    using object = loadOnly('attach-freplace', ['other_answer'], (opened) => {
      opened.program('ask').autoload = false
      opened.program('other_answer').setAttachTarget('answer', target)
    })
    using _link = object.program('other_answer').attachFreplace(target, 'answer')
    expect((await target.testRun({ data: new Uint8Array(64) })).retval).toBe(2)
  })

  requiresFeature('trampolines', 'is attached to the function of the kernel that it was loaded for', () => {
    using object = loadOnly('attach-kernel', ['somewhere'], (opened) => {
      opened.rodata.wanted = process.pid
      opened.program('somewhere').setAttachTarget('iterate_dir')
    })
    using program = Program.fromId(object.program('somewhere').id)
    using _link = program.attachTracing()
    readdirSync('/')
    expect(object.bss.runs).toBeGreaterThan(0n)
  })

  it('detaches when it is closed, and cannot be used any more', () => {
    using object = load('programs')
    const program = Program.fromId(object.program('on_exec').id)
    program.attachRawTracepoint('sched_process_exec')
    program.close()
    program.close()
    const before = object.bss.executions
    execute()
    expect(object.bss.executions).toBe(before)
    expect(thrownBy(() => program.info())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('moves the link of another program to itself', async () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    using link = object.program('cgroup_egress').attachCgroup(cgroup())
    using successor = loadOnly('attach-net', ['cgroup_egress'])
    using program = Program.fromId(successor.program('cgroup_egress').id)
    link.update(program)
    expect(link.info().programId).toBe(program.id)
  })
})

describe('Program.fromPin, fromId and fromFd', () => {
  it('refuse what is no program', () => {
    using object = load('maps')
    const map = object.maps.values().next().value!
    map.pin(bpffs('map'))
    try {
      expect(thrownBy(() => Program.fromPin(bpffs('map')))).toMatchObject({
        code: 'EINVAL',
        message: `open the pinned program ${bpffs('map')}: it is not a program (EINVAL)`,
      })
    } finally {
      map.unpin(bpffs('map'))
    }
    expect(thrownBy(() => Program.fromFd(map.fd))).toMatchObject({ code: 'EINVAL' })
    expect(thrownBy(() => Program.fromFd(1_000_000))).toMatchObject({
      code: 'EBADFD',
      message: 'open fd 1000000 as a program: there is no such descriptor (EBADFD)',
    })
    expect(thrownBy(() => Program.fromId(0xffffffff))).toMatchObject({ code: 'ENOENT' })
  })

  it('refuse a section of another program type, and name both', () => {
    using object = load('programs')
    const { fd } = object.program('length')
    expect(() => Program.fromFd(fd, { section: 'xdp' })).toThrow(
      'SEC("xdp") is for programs of type xdp, and this one has type socket_filter',
    )
    expect(() => Program.fromFd(fd, { section: 5 as never })).toThrow('section is not a string')
  })

  it('say what to do instead of attach() without a section', () => {
    using object = load('programs')
    using program = Program.fromFd(object.program('swap_macs').fd)
    expect(() => program.attach()).toThrow(
      "attach program 'swap_macs': it was opened without a section, so its target is not known; use attachXdp()",
    )
    expect(() => program.attachTracepoint('sched', 'sched_switch')).toThrow(
      "program 'swap_macs' is of type xdp, but attachTracepoint() is for tracepoint; use attachXdp()",
    )
  })

  it('refuse what only a program of an object can do', () => {
    using object = load('programs')
    using program = Program.fromFd(object.program('on_exec').fd)
    program.replaceable = true
    expect(() => program.attachRawTracepoint('sched_process_exec')).toThrow(
      "attach program 'on_exec' with a dispatcher: only a program of an object can be replaceable",
    )
    expect(() => {
      program.autoload = false
    }).toThrow()
    expect(() => {
      program.instructions = new Uint8Array(8)
    }).toThrow('it is in the kernel already')
  })
})
