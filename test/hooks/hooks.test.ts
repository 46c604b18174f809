import { readFileSync } from 'node:fs'
import { BpfObject, features } from 'libbpf-node'
import { type Hook, type HookKind, listHooks, toTypeScript } from 'libbpf-node/hooks'
import { compile as compileTypeScript } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()

const find = (pattern: string, ...kinds: HookKind[]): Hook[] => [
  ...listHooks(pattern, kinds.length > 0 ? { kinds } : {}),
]
const only = (pattern: string, kind: HookKind): Hook => {
  const [hook, ...others] = find(pattern, kind)
  expect(others).toEqual([])
  return hook!
}
const declarations = ({ parameters }: Hook) => parameters.map(({ declaration }) => declaration)

describe('listHooks', () => {
  it('finds a function of the kernel with its prototype', () => {
    const hook = only('vfs_read', 'function')
    expect(hook).toMatchObject({ name: 'vfs_read', returns: 'ssize_t', since: '5.5' })
    expect(hook.sections).toEqual([
      'fentry/vfs_read',
      'fexit/vfs_read',
      'kprobe/vfs_read',
      'kretprobe/vfs_read',
    ])
    expect(declarations(hook)).toEqual(['struct file *file', 'char *buf', 'size_t count', 'loff_t *pos'])
  })

  it('finds a tracepoint with its fields, and the arguments that the kernel passes to it', () => {
    const hook = only('sched_process_exec', 'tracepoint')
    expect(hook).toMatchObject({
      name: 'sched/sched_process_exec',
      sections: ['tp/sched/sched_process_exec'],
      context: 'struct trace_event_raw_sched_process_exec',
    })
    expect(hook.parameters.map(({ name }) => name)).toEqual(['filename', 'pid', 'old_pid'])
    const raw = only('sched_process_exec', 'raw_tp')
    expect(raw.sections).toEqual(['tp_btf/sched_process_exec', 'raw_tp/sched_process_exec'])
    expect(declarations(raw)).toEqual(['struct task_struct *p', 'pid_t old_pid', 'struct linux_binprm *bprm'])
  })

  it('finds a system call with its arguments', () => {
    // Newer kernels record the text of the name, too.
    expect(declarations(only('openat', 'syscall')).slice(0, 4)).toEqual([
      'int dfd',
      'const char *filename',
      'int flags',
      'umode_t mode',
    ])
  })

  it('finds LSM hooks, iterators and struct_ops', () => {
    expect(only('file_open', 'lsm')).toMatchObject({
      returns: 'int',
      sections: expect.arrayContaining(['lsm/file_open']),
    })
    expect(declarations(only('task', 'iter'))).toEqual(['struct task_struct *task'])
    expect(declarations(only('tcp_congestion_ops', 'struct_ops'))).toContain('void (*init)(struct sock *)')
  })

  requiresKernel('6.10', 'finds the functions that programs can call', () => {
    expect(only('bpf_task_acquire', 'kfunc')).toMatchObject({
      sections: [],
      returns: 'struct task_struct *',
      parameters: [{ declaration: 'struct task_struct *p' }],
    })
  })

  it('finds what tracepoints of one class record', () => {
    expect(only('sched/sched_wakeup', 'tracepoint').context).toBe(
      'struct trace_event_raw_sched_wakeup_template',
    )
    // Those of modules have theirs in the types of the module, which kernels before 5.11 do not have.
    const kallsyms = readFileSync('/proc/kallsyms', 'latin1')
    const inModules = new Set(
      [...kallsyms.matchAll(/ __tracepoint_(\w+)\t\[\w+\]$/gm)].map(([, name]) => name),
    )
    const without = find('*', 'tracepoint').filter(({ context }) => context === undefined)
    const names = without.map(({ name }) => name)
    expect(names.filter((name) => !inModules.has(name.split('/')[1]))).toEqual([])
  })

  it('finds hooks of cgroups and networks, and perf events', () => {
    expect(declarations(only('cgroup/connect4', 'cgroup'))).toContain('__u32 user_ip4')
    expect(only('xdp', 'network')).toMatchObject({ context: 'struct xdp_md', since: '4.8' })
    expect(only('cpu-clock', 'perf_event').sections).toEqual(['perf_event'])
  })

  it('takes wildcards, and the part of a name after a slash', () => {
    const names = find('vfs_*', 'function').map(({ name }) => name)
    expect(names).toContain('vfs_write')
    expect(names.every((name) => name.startsWith('vfs_'))).toBe(true)
    expect(new Set(names).size).toBe(names.length)
    expect(find('sched/sched_*', 'tracepoint').map(({ name }) => name)).toContain('sched/sched_switch')
    expect(find('vfs_rea?', 'function').map(({ name }) => name)).toContain('vfs_read')
    expect(find('no_such_function_at_all')).toEqual([])
  })

  it('finds functions and static probes of programs and libraries', () => {
    const malloc = [...listHooks('malloc', { binary: 'libc.so.6', kinds: ['user'] })]
    expect(malloc.map(({ sections }) => sections[0])).toEqual([
      expect.stringMatching(/^uprobe\/.*libc\.so\.6:malloc$/),
    ])
    const own = [...listHooks('uv_run', { pid: process.pid, kinds: ['user'] })]
    expect(own.map(({ name }) => name)).toEqual([`${process.execPath}:uv_run`])
    expect(thrownBy(() => [...listHooks('x', { binary: '/etc/passwd' })])).toMatchObject({
      code: 'ERR_BPF_NOT_FOUND',
    })
  })

  it('refuses kinds that do not exist', () => {
    expect(() => [...listHooks('*', { kinds: ['nothing' as HookKind] })]).toThrow(
      "hook kind 'nothing' does not exist; the kinds are tracepoint, raw_tp,",
    )
  })
})

/** Not all hooks, because compiling them takes long. */
const every = (step: number, hooks: Hook[]) => hooks.filter((_, i) => i % step === 0)

describe('toTypeScript', () => {
  requiresKernel(
    '6.4',
    'writes programs that compile, and a comment where the language has no such hook',
    () => {
      const typed = find('sched_process_*', 'raw_tp', 'tracepoint')
        .filter(({ kind, context }) => kind !== 'tracepoint' || context !== undefined)
        .concat(find('cgroup/*', 'cgroup'), find('*', 'network'), every(40, find('*', 'syscall')))
        .concat(every(20, find('*', 'lsm')), every(50, find('tcp_*', 'function')), find('*', 'iter'))
      for (const hook of typed) {
        const text = toTypeScript([hook])
        if (text.startsWith('// ')) expect(hook.name).toMatch(/_unix$/)
        else expect(compileTypeScript(text).programs.length).toBe(1)
      }
      expect(toTypeScript(find('tcp_congestion_ops', 'struct_ops'))).toContain('only in C so far')
    },
  )

  it('loads', () => {
    expect(features.programType('raw_tracepoint').answer).toBe('yes')
    const { object } = compileTypeScript(toTypeScript(find('sched_process_exec', 'raw_tp')))
    using opened = BpfObject.open(object)
    opened.loadSync()
    expect([...opened.programs.values()].map(({ section }) => section)).toEqual(['tp_btf/sched_process_exec'])
  })
})
