// Loops over what the kernel has: each.task() and its like.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'
import { readObject } from 'libbpf-node/asm'
import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect } from 'vitest'
import { compile as compileC } from '../helpers/compile.js'
import { requiresKernel } from '../helpers/kernel.js'
import { useCgroup } from '../helpers/privileged.js'
import { load } from './load.js'
import { runBoth } from './run.js'

const cgroup = useCgroup()

/** Runs a program `p`, and returns what it returns and its variables. */
function run(body: string, rodata: Readonly<Record<string, unknown>> = {}) {
  using object = load(
    `
    export const pid = rodata<u32>(0)
    export const id = rodata<u64>(0)
    export let out = data<array<u64, 4>>()
    ${body.includes('syscall(') ? body : `export const p = syscall(() => {\n${body}\nreturn 0\n})`}`,
    rodata,
  )
  const { retval } = object.program('p').testRunSync({})
  return { retval, out: [...(object.data as { out: bigint[] }).out].map(Number) }
}

const own = { pid: process.pid }

describe('each', () => {
  requiresKernel('6.7', 'goes over all processes, and leaves the loop in every way', () => {
    const found = 'if (task.tgid === pid) { out[1] = task.tgid;'
    const [by, without] = [run(`for (const task of each.task()) { ${found} break } }`, own), process.pid]
    expect(by).toMatchObject({ retval: 0, out: [0, without, 0, 0] })
    expect(run(`for (const task of each.task(null, 0)) { ${found} return 7 } }`, own)).toMatchObject({
      retval: 7,
      out: [0, process.pid, 0, 0],
    })
    expect(
      run(`for (const task of each.task()) { if (task.tgid !== pid) continue; out[0] += 1 }`, own).out,
    ).toEqual([1, 0, 0, 0])
  })

  requiresKernel('6.7', 'nests, and leaves an outer loop by its label', () => {
    const { out, retval } = run(
      `
      outer: for (const task of each.task()) {
        out[0] += 1
        for (const other of each.task()) {
          out[1] += 1
          if (out[1] === 3) continue outer
          for (const i of range(u32(out[1]))) {
            out[2] += 1
            if (out[2] > 20) break outer
            if (out[2] > 1000) return 3
          }
        }
      }`,
    )
    expect({ retval, outer: out[0], most: out[2] }).toEqual({ retval: 0, outer: 2, most: 21 })
  })

  requiresKernel('6.7', 'counts the threads of a process, and its memory', () => {
    const threads = () => readdirSync('/proc/self/task').length
    const before = threads()
    const { out } = run(
      `
      const task = kfunc.bpf_task_from_pid(s32(pid))
      if (!task) return 1
      for (const thread of each.task(task, 2)) out[0] += 1
      for (const vma of each.task_vma(task)) {
        out[1] += 1
        if (vma.vm_start >= vma.vm_end) out[2] += 1
        const file = vma.vm_file
        if (file) out[3] += 1
      }
      kfunc.bpf_task_release(task)`,
      own,
    )
    expect([before, threads()]).toContain(out[0])
    expect(out[1]).toBeGreaterThan(10)
    expect(out[2]).toBe(0)
    expect(out[3]).toBeGreaterThan(2)
  })

  requiresKernel('6.7', 'goes down cgroups, and over the processes in them', async () => {
    const inner = `${cgroup()}/inner`
    mkdirSync(inner)
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    try {
      writeFileSync(`${inner}/cgroup.procs`, `${child.pid}`)
      const text = `
        const all = enumValue('bpf_cgroup_iter_order', 'BPF_CGROUP_ITER_DESCENDANTS_PRE')
        const top = kfunc.bpf_cgroup_from_id(id)
        if (!top) return 1
        for (const css of each.css(top.self, all)) {
          out[0] += 1
          const group = kfunc.bpf_cgroup_from_id(css.cgroup.kn.id)
          if (!group) continue
          for (const task of each.css_task(group.self)) { out[1] += 1; out[2] = task.tgid }
          kfunc.bpf_cgroup_release(group)
        }
        kfunc.bpf_cgroup_release(top)`
      const { ino } = statSync(cgroup(), { bigint: true })
      expect(run(text, { id: ino })).toEqual({ retval: 0, out: [2, 1, child.pid, 0] })
    } finally {
      child.kill()
      await ended
      rmdirSync(inner)
    }
  })

  requiresKernel('6.11', 'goes over the bits of memory, in the kernel and in the emulator', () => {
    const { output } = runBoth(
      `
      const mask: array<u64, 2> = [0x8000000000000001n, 6]
      let i: u32 = 0
      for (const bit of each.bits(mask, 2)) { output[i & 7] = bit; i += 1 }
      for (const bit of each.bits(input, 8)) { output[5] += bit; if (bit > 100) break }
      for (const bit of each.bits(input, 0)) output[6] += 1`,
      { input: [3n, 0n, 1n << 40n] },
    )
    expect(output).toEqual([0n, 63n, 65n, 66n, 0n, 0n + 1n + 168n, 0n, 0n])
  })

  requiresKernel('6.13', 'goes over what only programs that sleep may look at', () => {
    const { out } = run(
      `for (const cache of each.kmem_cache()) { out[0] += 1; if (cache.object_size > 0) out[1] += 1 }`,
    )
    expect(out[0]).toBeGreaterThan(50)
    expect(out[1]).toBe(out[0])
  })

  requiresKernel('6.7', 'does not hold RCU twice, and calls functions while it holds it', () => {
    const count = (text: string) => run(text, own)
    expect(
      count(`
        kfunc.bpf_rcu_read_lock()
        for (const task of each.task()) if (task.tgid === pid) out[0] += 1
        kfunc.bpf_rcu_read_unlock()`).out,
    ).toEqual([1, 0, 0, 0])
    const { out } = run(
      `
      export const seen = hash<u32, u32>(8)
      function note(task: kernel.task_struct): void { if (task.tgid === pid) out[2] += 1 }
      export const p = syscall(() => {
        seen.set(1, 2)
        for (const task of each.task()) {
          note(task)
          if (task.tgid === pid) { const held = kfunc.bpf_task_acquire(task); if (held) { out[3] = held.tgid; kfunc.bpf_task_release(held) } }
        }
        return 0
      })`,
      own,
    )
    expect(out).toEqual([0, 0, 1, process.pid])
  })

  requiresKernel('6.7', 'has as few instructions as C', () => {
    const c = `
      struct task_struct { int tgid; struct task_struct *real_parent; } __attribute__((preserve_access_index));
      struct bpf_iter_task { unsigned long long opaque[3]; };
      extern int bpf_iter_task_new(struct bpf_iter_task *, struct task_struct *, unsigned) __attribute__((section(".ksyms")));
      extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *) __attribute__((section(".ksyms")));
      extern void bpf_iter_task_destroy(struct bpf_iter_task *) __attribute__((section(".ksyms")));
      extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
      extern void bpf_rcu_read_unlock(void) __attribute__((section(".ksyms")));
      const volatile unsigned pid;
      unsigned long long out __attribute__((section(".data"))) = 0;
      __attribute__((section("syscall"))) int p(void *ctx) {
        struct bpf_iter_task it; struct task_struct *task;
        bpf_rcu_read_lock();
        bpf_iter_task_new(&it, 0, 0);
        while ((task = bpf_iter_task_next(&it)))
          if (task->tgid == pid) { out = task->real_parent->tgid; break; }
        bpf_iter_task_destroy(&it);
        bpf_rcu_read_unlock();
        return 0;
      }
      char LICENSE[] __attribute__((section("license"))) = "GPL";`
    const text = `
      export const pid = rodata<u32>(0)
      export let out = data<u64>(0)
      export const p = syscall(() => {
        for (const task of each.task()) if (task.tgid === pid) { out = task.real_parent.tgid; break }
        return 0
      })
      export const license = 'GPL'`
    const both = [compileC('clang', ['-O2', '-g', '-target', 'bpf', '-c'], c), compile(text).object].map(
      (object) => {
        using opened = BpfObject.open(object)
        opened.rodata.pid = process.pid
        opened.loadSync()
        opened.program('p').testRunSync({})
        const { out } = opened.data as { out: bigint }
        return {
          out,
          size: readObject(object).functions.find(({ name }) => name === 'p')!.instructions.length,
        }
      },
    )
    expect(both.map(({ out }) => out)).toEqual([BigInt(process.ppid), BigInt(process.ppid)])
    expect(both[1]!.size).toBeLessThanOrEqual(both[0]!.size * 1.15)
  })

  requiresKernel('6.7', 'says in the emulator what that does not have', () => {
    const { object } = compile(
      "export const p = syscall(() => { for (const task of each.task()) return 1; return 0 })\nexport const license = 'GPL'",
    )
    expect(() =>
      Emulator.open(object)
        .program('p')
        .run({ context: new Uint8Array(8) }),
    ).toThrow("kernel function 'bpf_rcu_read_lock' is not emulated: give a function for it in 'kfuncs'")
  })
})

/** The reason and the hint of a mistake in a program, with what the caret points to. */
function mistake(text: string, options: CompileOptions = {}): string {
  try {
    compile(`${text}\nexport const license = 'GPL'`, options)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const [, , line = '', caret = ''] = error.message.split('\n')
    const marked = line.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)
    return [`[${marked}] ${error.reason}`, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

const syscall = (body: string): string => `export const p = syscall(() => { ${body}; return 0 })`
const packet = (body: string): string => `export const p = xdp((packet) => { ${body}; return XDP.PASS })`

describe('a mistake with each', () => {
  requiresKernel('6.13', 'has a place and a hint', () => {
    const loop = 'for (const task of each.task()) {}'
    const taken: readonly (readonly [string, string])[] = [
      [
        syscall('for (const t of each.tasks()) {}'),
        "[tasks] this kernel has no iterator 'tasks' | Did you mean 'task'?",
      ],
      [
        syscall('const all = each.task()'),
        '[each.task()] what the kernel has is gone through by a loop, and cannot be kept | Write for (const one of each.task()) { ... }.',
      ],
      [
        syscall('const all = each.task'),
        "[task] 'each' has no member 'task' | Write for (const one of each.task()) { ... }.",
      ],
      [
        syscall('kfunc.bpf_iter_task_new()'),
        '[bpf_iter_task_new] an iterator of the kernel is used by a loop, which destroys it however it is left | Write for (const one of each.task(...)) { ... }.',
      ],
      [
        syscall('for (const i of each.num(0, 3)) {}'),
        '[num] numbers have a word of their own | Write for (const i of range(10)) { ... }.',
      ],
      [
        syscall('for (const { pid } of each.task()) {}'),
        '[const { pid }] what a loop goes over has a name | Write for (const task of each.task()).',
      ],
      [
        syscall('for (const t of each.task(null, 0, 1)) {}'),
        '[each.task(null, 0, 1)] each.task has 2 arguments, and 3 are given | Its arguments are task, flags.',
      ],
      [
        syscall('for (const v of each.task_vma()) {}'),
        "[each.task_vma()] each.task_vma needs 'task' | Its arguments are task, addr.",
      ],
      [
        syscall(
          'const c = kfunc.bpf_cgroup_from_id(1); if (!c) return 1; for (const css of each.css(c.self)) {}',
        ),
        "[each.css(c.self)] each.css needs 'flags' | It can be enumValue('bpf_cgroup_iter_order', 'BPF_CGROUP_ITER_DESCENDANTS_PRE').",
      ],
      [
        "export const p = rawTp('sched_switch', (preempt, prev) => { for (const vma of each.task_vma(prev)) {} return 0 })",
        "[prev] the verifier does not know this pointer, and 'task' has to be a pointer to a struct task_struct that it knows | The arguments of tpBtf, fentry and lsm programs are known, and so is bpf.getCurrentTaskBtf().",
      ],
      [
        syscall('for (const task of each.task()) for (const thread of each.task(task, 1)) {}'),
        "[task] 'task' has to be kept, and RCU keeps this only until the next round of the loop | Get a reference: kfunc.bpf_task_acquire(task), or kfunc.bpf_cgroup_from_id(css.cgroup.kn.id).",
      ],
      [
        packet('for (const cache of each.kmem_cache()) {}'),
        '[kmem_cache] only programs that may sleep can use each.kmem_cache | Such programs are syscall, and those whose hooks end with Sleepable.',
      ],
      [
        "export const p = tpBtf('sched_switch', (preempt, prev) => { for (const t of each.css_task(prev.cgroups.dfl_cgrp.self)) {} return 0 })",
        '[css_task] tpBtf programs cannot use each.css_task | These can: iter, lsm. Such programs are syscall, and those whose hooks end with Sleepable.',
      ],
      [
        syscall('for (const task of each.task()) for (const cache of each.kmem_cache()) {}'),
        "[kmem_cache] 'each.kmem_cache' may sleep, which a program must not do while it holds RCU | Store what you need from each round in a map, and do this after the loop.",
      ],
      [
        syscall('kfunc.bpf_rcu_read_lock(); const n = bpf.copyFromUser<u32>(0); kfunc.bpf_rcu_read_unlock()'),
        "[copyFromUser] 'copyFromUser' may sleep, which a program must not do while it holds RCU | Call kfunc.bpf_rcu_read_unlock() first.",
      ],
      [
        syscall('kfunc.bpf_rcu_read_lock()'),
        "the lock 'RCU' is still held here | Call kfunc.bpf_rcu_read_unlock() first.",
      ],
      [syscall('kfunc.bpf_rcu_read_unlock()'), '[kfunc.bpf_rcu_read_unlock()] RCU is not held here'],
      [
        syscall('for (const task of each.task()) { kfunc.bpf_rcu_read_lock(); kfunc.bpf_rcu_read_unlock() }'),
        '[kfunc.bpf_rcu_read_lock()] RCU is held here already | A loop over objects that RCU protects already holds it.',
      ],
      [
        syscall(
          'for (const task of each.task()) { const held = kfunc.bpf_task_acquire(task); if (!held) continue; break }',
        ),
        "[break] the reference 'held' is still held here | Call kfunc.bpf_task_release(held) first.",
      ],
      [syscall(`${loop}; return task.tgid`), "[task] there is no 'task' here"],
    ]
    for (const [text, expected] of taken) {
      const found = mistake(text)
      expect(expected.startsWith('[') ? found : found.replace(/^\[[^\]]*\] /, ''), text).toBe(expected)
    }
    expect(mistake(syscall(loop), { oldestKernel: '6.6' })).toBe(
      '[task] each.task needs Linux 6.7, and the program has to load into 6.6',
    )
    expect(mistake(syscall('for (const cache of each.kmem_cache()) {}'), { oldestKernel: '6.12' })).toBe(
      '[kmem_cache] each.kmem_cache needs Linux 6.13, and the program has to load into 6.12',
    )
    expect(mistake(syscall(loop), { oldestKernel: '6.7' })).toBe('compiled')
    expect(() => compile(syscall(loop))).toThrow(
      'each.task is only for programs with a license that is compatible with the GPL',
    )
  })
})
