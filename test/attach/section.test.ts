// Program.attach() goes by SEC(). A failure is explained in the same words as by the method for that hook.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BpfError, Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

useTracefs()

/** The reason at the end of the message of an error, with its code. */
function reason(call: () => unknown): string {
  const { message } = thrownBy(call) as BpfError
  return message.replace(
    /^(?:program '\w+': attach to SEC\("[^"]*"\)|attach program '\w+' to .*?(?: of \S+)?): /,
    '',
  )
}

const failing: [program: string, method: (program: Program) => unknown, reason: RegExp, since?: string][] = [
  ['kprobe', (program) => program.attachKprobe('vfs_reed'), /kprobes|vfs_re/],
  ['ksyscall', (program) => program.attachKsyscall('opeat'), /kprobes|no system call of that name/],
  [
    'kprobe_multi',
    (program) => program.attachKprobeMultiSync({ pattern: 'no_such_function_*' }),
    /CONFIG_FPROBE|no kernel function that can be probed matches|tracefs|not permitted/,
    '5.18',
  ],
  [
    'uprobe',
    (program) => program.attachUprobe('libc.so.6', { symbol: 'no_such_function' }),
    /^it has no function 'no_such_function' among those that it exports, and .* \(ENOENT\)$/,
  ],
  [
    'uprobe_indirect',
    (program) => program.attachUprobe('libc.so.6', { symbol: 'strlen', retprobe: true }),
    /^it has 'strlen' as an indirect function \(IFUNC\)/,
  ],
  [
    'uprobe_library',
    (program) => program.attachUprobe('libnone.so.1', { symbol: 'f' }),
    /^no program or library of that name is on the library path/,
  ],
  [
    'uprobe_multi',
    (program) => program.attachUprobeMultiSync('libc.so.6', { pattern: 'no_such_*' }),
    /^it has no function that matches 'no_such_\*'/,
    '6.6',
  ],
  [
    'usdt',
    (program) => program.attachUsdt('libc.so.6', 'libc', 'no_such_probe'),
    /^it has no such probe; 'readelf -n \S+' lists its probes|^it has no USDT probes/,
  ],
  [
    'usdt_library',
    (program) => program.attachUsdt('libnone.so.1', 'libc', 'setjmp'),
    /^no program or library of that name is on the library path/,
  ],
  [
    'tracepoint',
    (program) => program.attachTracepoint('sched', 'sched_swich'),
    /^no such tracepoint 'sched\/sched_swich'; did you mean 'sched_switch'/,
  ],
  [
    'raw_tracepoint',
    (program) => program.attachRawTracepoint('sched_swich'),
    /^no such raw tracepoint; did you mean 'sched_switch'/,
  ],
  [
    'raw_arguments',
    (program) => program.attachRawTracepoint('sys_exit'),
    /^the program uses more arguments than the tracepoint passes/,
  ],
  ['iter_map', (program) => program.attachIter(), /elements of a map: use attachIter\(\{ map \}\)/, '5.9'],
  ['iter_cgroup', (program) => program.attachIter(), /goes over cgroups: use attachIter\(\{ cgroup/, '6.1'],
]

describe('Program.attach with a target that cannot be attached to', () => {
  for (const [name, method, words, since = '4.19'] of failing) {
    const title = `explains it like the method for that hook: ${name}`
    const test = () => {
      using object = loadOnly('attach-section', [name])
      const program = object.program(name)
      const why = reason(() => program.attach())
      expect(why).toMatch(words)
      // libbpf looks a name up itself, so only the method knows the path.
      expect(why.replace('libc.so.6', '')).toBe(reason(() => method(program)).replace(/\/\S*libc\.so\.6/, ''))
    }
    if (name === 'iter_map') requiresFeature('mapElements', title, test, since)
    else requiresKernel(since, title, test)
  }
})

it('Program.attach explains that libbpf does not take a program from PATH that is not executable', () => {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-path-'))
  const { PATH } = process.env
  try {
    writeFileSync(join(folder, 'libbpf-node-no-program'), '', { mode: 0o644 })
    process.env.PATH = `${folder}:${PATH}`
    using object = loadOnly('attach-section', ['uprobe_program'])
    expect(() => object.program('uprobe_program').attach()).toThrow(
      `libbpf did not accept ${folder}/libbpf-node-no-program: it searches fewer folders, and programs must be executable`,
    )
  } finally {
    process.env.PATH = PATH
    rmSync(folder, { recursive: true })
  }
})

describe('Program.attach without a target', () => {
  const proposed: [program: string, words: string, since?: string][] = [
    ['kprobe_nowhere', 'SEC("kprobe") does not name a target; use attachKprobe()'],
    ['ksyscall_nowhere', 'SEC("ksyscall") does not name a target; use attachKsyscall()'],
    ['uprobe_nowhere', 'SEC("uprobe.s") does not name a target; use attachUprobe()', '6.0'],
    ['usdt_nowhere', 'SEC("usdt") does not name a target; use attachUsdt()'],
    ['raw_tracepoint_nowhere', 'SEC("raw_tp") does not name a target; use attachRawTracepoint()'],
    ['uprobe_multi_nowhere', 'SEC("uprobe.multi") does not name a target; use attachUprobeMulti()', '6.6'],
    ['syscall', 'SEC("syscall") programs are not attached; run the program with testRun()', '5.14'],
    ['lwt_out', "give it to a route: 'ip route add ... encap bpf out pinned PATH ...'"],
    [
      'xdp_devmap',
      'SEC("xdp/devmap") programs are not attached; set the program as a value of a devmap',
      '5.8',
    ],
    ['action', "give it to a filter: 'tc filter add ... action bpf object-pinned PATH'"],
  ]
  for (const [name, words, since = '5.10'] of proposed) {
    requiresKernel(since, `says what to do instead: ${name}`, () => {
      using object = loadOnly('attach-section', [name])
      const error = thrownBy(() => object.program(name).attach()) as BpfError
      expect(error).toMatchObject({ code: 'ENOTSUP' })
      expect(error.message).toContain(words)
    })
  }
})

describe('loading a program whose target is missing', () => {
  const load = (name: string) => (thrownBy(() => loadOnly('attach-section', [name])) as BpfError).message

  it('asks for the target of fentry instead of blaming the kernel', () => {
    expect(load('fentry_nowhere')).toContain(
      `program 'fentry_nowhere' has no target: name it in SEC(), such as SEC("fentry/vfs_read"), or call setAttachTarget()`,
    )
  })

  it('asks for the program that freplace is for', () => {
    expect(load('freplace_nowhere')).toContain(
      `program 'freplace_nowhere' replaces a function of another BPF program: name that program with setAttachTarget()`,
    )
  })
})
