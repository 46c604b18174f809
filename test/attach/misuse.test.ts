// A program that is attached with the wrong method gets an error that says what it is and which method fits.
import { BpfError, type BpfObject, Link, type Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { useCgroup, useTracefs } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

useTracefs()
const cgroup = useCgroup()

const sockets = (object: BpfObject) => object.map('sockets') as never

/** Every method, with valid arguments. */
const methods: Record<string, (program: Program, object: BpfObject) => unknown> = {
  attachKprobe: (program) => program.attachKprobe('vfs_read'),
  attachKsyscall: (program) => program.attachKsyscall('getpid'),
  attachKprobeMulti: (program) => program.attachKprobeMultiSync({ symbols: ['vfs_read'] }),
  attachUprobe: (program) => program.attachUprobe('libc.so.6', { symbol: 'malloc' }),
  attachUprobeMulti: (program) => program.attachUprobeMultiSync('libc.so.6', { symbols: ['malloc'] }),
  attachUsdt: (program) => program.attachUsdt('libc.so.6', 'libc', 'setjmp'),
  attachTracepoint: (program) => program.attachTracepoint('sched', 'sched_switch'),
  attachRawTracepoint: (program) => program.attachRawTracepoint('sched_switch'),
  attachTracing: (program) => program.attachTracing(),
  attachLsm: (program) => program.attachLsm(),
  attachFreplace: (program) => program.attachFreplace(),
  attachPerfEvent: (program) => program.attachPerfEvent({ event: 'cpu-clock', period: 1e9, cpu: 0 }),
  attachXdp: (program) => program.attachXdp('lo'),
  attachTcx: (program) => program.attachTcx('lo', { direction: 'ingress' }),
  attachNetkit: (program) => program.attachNetkit('lo', { side: 'primary' }),
  attachTc: (program) => program.attachTc('lo', 'ingress'),
  attachCgroup: (program) => program.attachCgroup(cgroup()),
  attachNetns: (program) => program.attachNetns(),
  attachNetfilter: (program) => program.attachNetfilter({ family: 'ipv4', hook: 'input' }),
  attachSockmap: (program, object) => program.attachSockmap(sockets(object)),
  attachIter: (program) => program.attachIter(),
  attachSocket: (program) => program.attachSocket(0),
  attachReuseport: (program) => program.attachReuseport(0),
}

/** Programs and the methods that attach them. */
const kinds: [file: string, program: string, methods: string[], since?: string][] = [
  ['attach-net', 'xdp_pass', ['attachXdp']],
  ['attach-net', 'tc_first', ['attachTcx', 'attachNetkit', 'attachTc']],
  ['attach-net', 'cgroup_egress', ['attachCgroup']],
  ['attach-net', 'cut', ['attachSocket', 'attachReuseport']],
  ['attach-net', 'any_port', ['attachNetns'], '5.9'],
  ['attach-net', 'on_message', ['attachSockmap']],
  ['attach-net', 'nf_accept', ['attachNetfilter'], '6.4'],
  ['attach-trace', 'on_tracepoint', ['attachTracepoint']],
  ['attach-trace', 'on_raw_tracepoint', ['attachRawTracepoint']],
  ['attach-trace', 'on_exec', ['attachTracing']],
  ['attach-trace', 'on_call', ['attachKprobe', 'attachKsyscall', 'attachUprobe', 'attachUsdt']],
  ['attach-trace', 'on_calls', ['attachUprobeMulti', 'attachUsdt'], '6.6'],
  ['attach-trace', 'on_tick', ['attachPerfEvent']],
  ['attach-iter', 'tasks', ['attachIter']],
]

/** Programs whose section says more than their type. */
const proposed: Record<string, string[]> = { on_call: ['attachUprobe'], cut: ['attachSocket'] }

describe('a program with the wrong method', () => {
  for (const [file, name, ways, since = '4.19'] of kinds) {
    requiresKernel(since, `is refused, and the right method is named: ${name}`, () => {
      using object = loadOnly(file, [name])
      using net = open('attach-net')
      const program = object.program(name)
      for (const [method, attach] of Object.entries(methods)) {
        if (ways.includes(method)) continue
        const error = thrownBy(() => attach(program, file === 'attach-net' ? object : net)) as Error
        expect(error).toBeInstanceOf(TypeError)
        expect(error.message).toContain(
          `program '${name}' is SEC("${program.section}") of type ${program.type}`,
        )
        expect(error.message).toContain(`but ${method}() is for `)
        for (const way of proposed[name] ?? ways) expect(error.message).toContain(`${way}()`)
      }
      expect(object.links.size).toBe(0)
    })
  }

  it('is told which method to use if its section names no target', () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'cgroup_egress'])
    expect(() => object.program('xdp_pass').attach()).toThrow(
      'attach program \'xdp_pass\': SEC("xdp") does not name a target; use attachXdp()',
    )
    expect(() => object.program('cgroup_egress').attach()).toThrow('use attachCgroup()')
  })
})

describe('a program that is not loaded', () => {
  it('is refused by every method, before load and after close', () => {
    const states: [code: string, message: string, end: (object: BpfObject) => void][] = [
      ['ERR_BPF_STATE', 'is not in the kernel: load the object first, with autoload on', () => {}],
      ['ERR_BPF_STATE', 'is not in the kernel', (object) => object.loadSync()],
      ['ERR_BPF_CLOSED', 'it is closed', (object) => object.close()],
    ]
    for (const [code, message, end] of states) {
      for (const [file, name, ways] of kinds) {
        using object = open(file)
        using net = open('attach-net')
        end(object)
        for (const way of ways) {
          const error = thrownBy(() => methods[way]!(object.program(name), net))
          expect(error).toBeInstanceOf(BpfError)
          expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
        }
      }
    }
  })
})

describe('a link', () => {
  it('explains what it cannot do without a kernel link', () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'xdp_other', 'cgroup_egress', 'cgroup_egress_second'])
    using old = object.program('cgroup_egress').attachCgroup(cgroup(), { allow: 'multi' })
    const without = 'the program is attached without a kernel link'
    expect(() => old.update(object.program('cgroup_egress_second'))).toThrow(without)
    expect(() => old.pin('/sys/fs/bpf/libbpf-node-none')).toThrow(without)
    expect(() => old.detach()).toThrow(without)
    expect(() => old.info()).toThrow(without)
    old.close()
    for (const use of [() => old.info(), () => old.detach(), () => old.update(object.program('xdp_pass'))]) {
      expect(thrownBy(use)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    }
    // @ts-expect-error no program
    expect(() => old.update(undefined)).toThrow(TypeError)
  })

  requiresKernel('5.7', 'is not updated to a program that does not fit', () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'cgroup_egress'])
    using link = object.program('cgroup_egress').attachCgroup(cgroup())
    expect(() => link.update(object.program('xdp_pass'))).toThrow(
      'the program has another type, or the program of such a link cannot be replaced',
    )
    expect(() => link.update(object.program('xdp_other'))).toThrow("program 'xdp_other' is not in the kernel")
    expect(() => link.updateMap(object.map('sockets') as never)).toThrow(
      'this is only possible from one SEC(".struct_ops.link") map to another',
    )
    using trace = loadOnly('attach-trace', ['on_tick'])
    using event = trace.program('on_tick').attachPerfEvent({ event: 'cpu-clock', period: 1e9, cpu: 0 })
    expect(() => event.update(trace.program('on_tick'))).toThrow(
      /the program of such a link cannot be replaced|does not support that|without a kernel link/,
    )
  })

  it('is not opened by an invalid id or descriptor', () => {
    for (const number of [-1, 1.5, Number.NaN, 2 ** 40, '1', undefined] as number[]) {
      expect((thrownBy(() => Link.fromId(number)) as Error).message).toMatch(/^open link .*: id is /)
      if (number !== -1) expect((thrownBy(() => Link.fromFd(number)) as Error).message).toMatch(/: fd is /)
    }
    expect(thrownBy(() => Link.fromFd(-1))).toMatchObject({ code: 'EBADF' })
  })
})
