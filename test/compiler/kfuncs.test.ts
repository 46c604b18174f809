import { BpfObject } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'

function mistake(body: string): string {
  try {
    compile(
      `export const p = tpBtf('sched_switch', (preempt, prev, next) => { ${body} })\nexport const license = 'GPL'`,
    )
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

describe('kfunc', () => {
  requiresKernel('6.2', 'finds a task, and gives it back', () => {
    const { object } = compile(`
      export const pid = rodata<u32>(0)
      export let tgid = data<u32>(0)
      export let comm = data<char<16>>()
      export const p = syscall(() => {
        const task = kfunc.bpf_task_from_pid(s32(pid))
        if (!task) return 1
        tgid = task.tgid
        comm = task.comm
        kfunc.bpf_task_release(task)
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.rodata.pid = process.pid
    opened.loadSync()
    expect(opened.program('p').testRunSync({}).retval).toBe(0)
    expect(opened.data).toMatchObject({ tgid: process.pid })
    expect((opened.data as { comm: string }).comm).not.toBe('')
  })

  requiresKernel('6.2', 'has mistakes with a place and a hint', () => {
    expect(mistake('const t = kfunc.bpf_task_acquire(prev); if (!t) return 0; return 1')).toBe(
      "the reference 't' is still held here | Call kfunc.bpf_task_release(t) first.",
    )
    expect(mistake('const t = kfunc.bpf_task_acquire(prev); kfunc.bpf_task_release(t); return 0')).toBe(
      "'t' may be null here | Compare it first: if (!t) return 0.",
    )
    expect(mistake('kfunc.bpf_task_release(prev); return 0')).toBe(
      'bpf_task_release releases only references that have to be released with it',
    )
    expect(mistake('kfunc.bpf_task_aquire(prev); return 0')).toBe(
      "this kernel has no function 'bpf_task_aquire' | Did you mean 'bpf_task_acquire'?",
    )
    expect(mistake('kfunc.bpf_task_acquire(); return 0')).toBe(
      'bpf_task_acquire has 1 argument, and 0 are given | They are p.',
    )
    expect(
      mistake(
        'const t = kfunc.bpf_task_acquire(prev); if (!t) return 0; kfunc.bpf_task_release(t); return t.tgid',
      ),
    ).toBe("the reference 't' was released, and may no longer be valid")
  })

  requiresKernel('6.10', 'is refused for a function that programs may not call', () => {
    expect(mistake('kfunc.do_exit(1); return 0')).toBe(
      "'do_exit' is not one of the kernel's functions that programs may call",
    )
  })
})

describe('without a license that is compatible with the GPL', () => {
  const compiled = (body: string) => () => compile(`export const p = syscall(() => { ${body}; return 0 })`)
  const needs = 'is only for programs with a license that is compatible with the GPL'

  requiresKernel('6.2', 'functions of the kernel are refused', () => {
    expect(compiled('kfunc.bpf_rcu_read_lock()')).toThrow(`kfunc.bpf_rcu_read_lock ${needs}`)
  })

  it('loops whose rounds the kernel counts are refused', () => {
    expect(compiled('let n = u32(bpf.getSmpProcessorId()); while (n > 5) n = n / 2')).toThrow(
      `a loop whose rounds the kernel counts ${needs}`,
    )
  })
})

describe('kconfig', () => {
  requiresKernel('5.14', 'has the options that the kernel was built with', () => {
    const { object } = compile(`
      export const hz = kconfig<u32>('CONFIG_HZ')
      export const smp = kconfig<bool>('CONFIG_SMP')
      export const nothing = kconfig<bool>('CONFIG_NO_SUCH_OPTION')
      export const version = kconfig<u32>('LINUX_KERNEL_VERSION')
      export let out = data<u32>(0)
      export let linux = data<u32>(0)
      export const p = syscall(() => {
        out = hz
        linux = version
        return smp && !nothing ? 1 : 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    expect(opened.program('p').testRunSync({}).retval).toBe(1)
    const { out, linux } = opened.data as { out: number; linux: number }
    expect([100, 250, 300, 1000]).toContain(out)
    expect(linux >> 16).toBeGreaterThanOrEqual(5)
  })

  it.each([
    ["export const a = kconfig('CONFIG_HZ')", 'kconfig needs the type of an option, and its name'],
    ["export const a = kconfig<u32>('HZ')", "an option of the kernel's configuration begins with CONFIG_"],
    [
      "export const a = kconfig<u32>('CONFIG_HZ')\nexport const p = xdp(() => { a = 1; return 2 })",
      "'a' is the kernel's configuration, which cannot be changed",
    ],
  ])('%s', (text, expected) => {
    expect(() => compile(text)).toThrow(expected)
  })
})
