import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { until } from '../../helpers/until.js'
import { load } from './run.js'

const head = `
  interface Kept { pid: u32; task: kptr<kernel.task_struct> }
  export const kept = hash<u32, Kept>(4)
  export const pid = bss<u32>()
  export let found = data<u32>(0)`

function mistake(body: string, declarations = head): string {
  try {
    compile(`${declarations}\nexport const p = syscall(() => { ${body} })\nexport const license = 'GPL'`)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

describe('a kptr', () => {
  requiresKernel('6.2', 'keeps a task until another program takes it out', () => {
    const { object } = load(`${head}
      export const put = syscall(() => {
        kept.setNew(1, { pid })
        const slot = kept.get(1)
        if (!slot) return 1
        const task = kfunc.bpf_task_from_pid(s32(pid))
        if (!task) return 2
        const old = slot.task.xchg(task)
        if (old) {
          kfunc.bpf_task_release(old)
          return 3
        }
        return 0
      })
      export const look = syscall(() => {
        const slot = kept.get(1)
        if (!slot) return 1
        const task = slot.task.get()
        if (!task) return 2
        found = task.tgid
        return 0
      })
      export const take = syscall(() => {
        const slot = kept.get(1)
        if (!slot) return 1
        const task = slot.task.xchg(null)
        if (!task) return 2
        found = task.tgid
        kfunc.bpf_task_release(task)
        return 0
      })`)
    using _ = object
    const run = (name: string): number => object.program(name).testRunSync({}).retval
    object.bss.pid = process.pid
    expect(run('take')).toBe(1)
    expect([run('put'), run('put'), run('look')]).toEqual([0, 3, 0])
    expect(object.data.found).toBe(process.pid)
    // User space does not see the address.
    expect(object.map<number, { pid: number }>('kept').get(1)).toEqual({ pid: process.pid, task: 0n })
    object.data.found = 0
    expect([run('take'), run('take')]).toEqual([0, 2])
    expect(object.data.found).toBe(process.pid)
    // What the map keeps when it goes, the kernel gives back.
    expect(run('put')).toBe(0)
  })

  requiresKernel('6.4', 'is passed on by a program that does not sleep', async () => {
    const { object } = load(`${head}
      export const put = syscall(() => {
        kept.set(1, { pid })
        const slot = kept.get(1)
        if (!slot) return 1
        const task = kfunc.bpf_task_from_pid(s32(pid))
        if (!task) return 2
        const old = slot.task.xchg(task)
        if (old) kfunc.bpf_task_release(old)
        return 0
      })
      export const onSwitch = tpBtf('sched_switch', () => {
        const slot = kept.get(1)
        if (!slot || found !== 0) return 0
        const task = slot.task.get()
        if (!task) return 0
        const own = kfunc.bpf_task_acquire(task)
        if (!own) return 0
        found = own.tgid
        kfunc.bpf_task_release(own)
        return 0
      })`)
    using _ = object
    object.bss.pid = process.pid
    expect(object.program('put').testRunSync({}).retval).toBe(0)
    using _link = object.program('onSwitch').attach()
    await until('it was passed on', () => object.data.found === process.pid)
  })

  requiresKernel('6.2', 'has mistakes with a place and a hint', () => {
    const slot = 'const slot = kept.get(1); if (!slot) return 1;'
    const task = 'const task = kfunc.bpf_task_from_pid(1); if (!task) return 1;'
    expect(mistake(`${slot} ${task} const old = slot.task.xchg(task); return 0`)).toBe(
      "the reference 'old' is still held here | Call kfunc.bpf_task_release(old) first.",
    )
    expect(mistake(`${slot} slot.task.xchg(null); return 0`)).toBe(
      'this reference is held and nothing can release it | Write const reference = slot.task.xchg(...).',
    )
    expect(
      mistake(
        `${slot} ${task} const old = slot.task.xchg(task); if (old) kfunc.bpf_task_release(old); return task.tgid`,
      ),
    ).toBe("the reference 'task' was released, and may no longer be valid")
    expect(
      mistake(`${slot} const task = kfunc.bpf_task_from_pid(1); const o = slot.task.xchg(task); return 0`),
    ).toBe("'task' may be null here | Compare it first: if (!task) return 0.")
    expect(mistake(`${slot} const o = slot.task.xchg(bpf.getCurrentTaskBtf()); return 0`)).toBe(
      'xchg puts in a reference to a struct task_struct that the program holds, or null | Get one first, and compare it: const task = kfunc.bpf_task_from_pid(pid).',
    )
    expect(mistake(`${slot} slot.task.put(null); return 0`)).toBe(
      "a kptr has no function 'put' | It has xchg and get.",
    )
    expect(mistake('const own = zero<Kept>(); const o = own.task.get(); return 0')).toBe(
      'a kptr has to be in the value of a map | Get it from the map: map.get(key).',
    )
  })

  it.each([
    [
      'export const m = hash<u32, kptr<u32>>(4)',
      "a kptr has the type of one of the kernel's structs, or of an interface | Write kptr<kernel.task_struct>.",
    ],
    [
      'interface A { a: kptr<kernel.inode> }',
      'maps cannot keep a kernel.inode | They can keep these: task_struct, cgroup, bpf_cpumask, bpf_crypto_ctx, nf_conn, sk_buff.',
    ],
    [
      'interface A { a: kptr<kernel.cgroup> }\nexport const m = queue<A>(4)',
      'a kptr has to be in the value of a hash map, of an array, or of a storage of values',
    ],
    [
      'interface A { a: kptr<kernel.cgroup> }\nexport let g = bss<A>()',
      'a kptr has to be in the value of a hash map, of an array, or of a storage of values',
    ],
    [
      'interface A { a: array<kptr<kernel.cgroup>, 4> }',
      'a kptr cannot be in an array | Write members, or take a map.',
    ],
    [
      'export const m = hash<u32, u64>(4)\nexport const q = syscall(() => { bpf.kptrXchg(1, 2); return 0 })',
      "maps and rings have words of their own for 'kptrXchg' | Write value.member.xchg(reference).",
    ],
  ])('%s', (declarations, expected) => {
    expect(mistake('return 0', declarations)).toBe(expected)
  })
})
