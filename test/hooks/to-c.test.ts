// Not in the matrix: the programs are compiled with the vmlinux.h of the kernel that the repository was built on.
import { BpfObject } from 'libbpf-node'
import { type Hook, type HookKind, listHooks, toC } from 'libbpf-node/hooks'
import { describe, expect, it } from 'vitest'
import { compile } from '../helpers/compile.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()

const find = (pattern: string, ...kinds: HookKind[]): Hook[] => [
  ...listHooks(pattern, kinds.length > 0 ? { kinds } : {}),
]
/** Compiles a file of programs with clang. */
function bytesOf(source: string): Uint8Array {
  const arch = process.arch === 'arm64' ? 'arm64' : 'x86'
  const folders = ['build/include', 'dist/include'].map((folder) => `-I${folder}`)
  const flags = ['-target', 'bpf', '-g', '-O2', `-D__TARGET_ARCH_${arch}`, ...folders, '-c']
  return compile('clang', flags, source)
}

const object = (source: string): BpfObject => BpfObject.open(bytesOf(source))

/** Why programs do not load, each alone. */
function refusals(source: string): string[] {
  const bytes = bytesOf(source)
  using all = BpfObject.open(bytes)
  const names = [...all.programs.keys()]
  return names.flatMap((name) => {
    using one = BpfObject.open(bytes)
    for (const program of one.programs.values()) program.autoload = program.name === name
    try {
      one.loadSync()
      return []
    } catch (error) {
      return [`${name}: ${(error as Error).message}`]
    }
  })
}

/** Not all hooks, because compiling them takes long. */
const every = (step: number, hooks: Hook[]) => hooks.filter((_, i) => i % step === 0)

describe('toC', () => {
  it('writes programs that load', () => {
    const hooks = [
      ...find('sched_*', 'raw_tp').slice(0, 4),
      ...find('sched_*', 'tracepoint').slice(0, 4),
      ...every(100, find('*', 'syscall')),
      ...find('cgroup/*4', 'cgroup').slice(0, 4),
      ...['xdp', 'tc', 'sk_lookup', 'flow_dissector'].flatMap((name) => find(name, 'network')),
      ...find('task*', 'iter'),
      ...find('cpu-clock', 'perf_event'),
    ]
    expect(refusals(toC(hooks))).toEqual([])
  })

  it.each(['fentry', 'fexit', 'kprobe', 'kretprobe'])('writes programs for %s that compile', (as) => {
    const hooks = find('tcp_v?_*', 'function').filter(({ sections }) =>
      sections.some((one) => one.startsWith(`${as}/`)),
    )
    expect(hooks.length).toBeGreaterThan(20)
    using compiled = object(toC(hooks, { as }))
    expect(compiled.programs.size).toBe(hooks.length)
    expect([...compiled.programs.values()].map(({ section }) => section.split('/')[0])).toContain(as)
  })

  it('writes all other kinds so that they compile', () => {
    const kinds: HookKind[] = ['lsm', 'kfunc', 'struct_ops', 'tracepoint']
    for (const kind of kinds) object(toC(every(kind === 'tracepoint' ? 50 : 10, find('*', kind)))).close()
    for (const as of ['ksyscall', 'kretsyscall']) object(toC(every(30, find('*', 'syscall')), { as })).close()
    object(toC(every(30, find('*', 'raw_tp')), { as: 'raw_tp' })).close()
    object(toC(listHooks('mallo?', { binary: 'libc.so.6', kinds: ['user'] }))).close()
  })

  it('refuses a section that a hook does not have', () => {
    expect(() => toC(find('vfs_read', 'function'), { as: 'xdp' })).toThrow(
      "function vfs_read has no section 'xdp'; it has fentry, fexit, kprobe, kretprobe",
    )
  })
})
