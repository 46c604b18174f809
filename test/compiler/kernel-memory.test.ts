import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BpfObject, Btf } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'

/** Runs statements in the kernel, with this process as `task`, and returns what they write to `output`. */
function run(body: string, declarations = ''): bigint[] {
  const { object } = compile(`
    ${declarations}
    export let output = data<array<u64, 8>>()
    export const p = tcIngress(() => {
      const task = bpf.getCurrentTask()
      ${body}
      return 0
    })
    export const license = 'GPL'`)
  using opened = BpfObject.open(object)
  opened.loadSync()
  opened.program('p').testRunSync({ data: new Uint8Array(64) })
  return [...(opened.data as { output: bigint[] }).output]
}

const kernel = Btf.fromKernel().types
const comm = readFileSync('/proc/thread-self/comm', 'utf8').trim()

describe('members of kernel structs', () => {
  it('may be bitfields', () => {
    const { object } = compile(`
      export let during = data<u32>(99)
      export let before = data<u32>(99)
      export const onExec = rawTp('sched_process_exec', (task) => {
        during = task.in_execve
        return 0
      })
      export const onFork = rawTp('sched_process_fork', (parent) => {
        before = parent.in_execve
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    execFileSync('/bin/true')
    expect(opened.data).toMatchObject({ during: 1, before: 0 })
  })

  it('may be any bitfields of this process: they are what stands in its memory', () => {
    const { members } = kernel.find('task_struct', 'struct')!
    const bits = members.filter(({ name, bitfieldSize }) => name !== '' && bitfieldSize > 0)
    expect(bits.length).toBeGreaterThan(5)
    for (let at = 0; at < bits.length; at += 4) {
      const some = bits.slice(at, at + 4)
      const words = some.map(({ bitOffset }) => Math.floor(bitOffset / 64))
      const output = run(
        some
          .flatMap(({ name }, i) => [
            `output[${i}] = u64(task.${name})`,
            `output[${i + 4}] = bpf.probeReadKernel<u64>(u64(task) + ${words[i]! * 8})`,
          ])
          .join('\n'),
      )
      for (const [i, { name, bitOffset, bitfieldSize, typeId }] of some.entries()) {
        const value =
          (output[i + 4]! >> BigInt(bitOffset - words[i]! * 64)) & ((1n << BigInt(bitfieldSize)) - 1n)
        const type = kernel.resolve(typeId)
        const isSigned = 'signed' in type && type.signed
        const expected = isSigned ? BigInt.asUintN(64, BigInt.asIntN(bitfieldSize, value)) : value
        expect(output[i], name).toBe(expected)
      }
    }
  })

  it('may be in structs in structs, whose types the kernel takes', () => {
    const { object } = compile(`
      export let output = data<array<u64, 4>>()
      export const p = tcIngress(() => {
        const task = bpf.getCurrentTask()
        output[0] = task.se.vruntime
        output[1] = task.se.avg.last_update_time
        output[2] = task.signal.shared_pending.signal.sig[0]
        output[3] = u64(task.se.load.weight)
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    // Without its types, there would be no lines of source.
    expect(opened.program('p').info().btfId).toBeGreaterThan(0)
    opened.program('p').testRunSync({ data: new Uint8Array(64) })
    expect((opened.data as { output: bigint[] }).output[3]).toBeGreaterThan(0n)
  })

  requiresKernel('6.9', 'may be enums', () => {
    expect(run('output[0] = task.fs.pwd.dentry.d_inode.i_write_hint + 3')[0]).toBe(3n)
  })

  it('are asked for with exists, and have a size', () => {
    const size = BigInt(kernel.sizeOf(kernel.find('task_struct', 'struct')!.id))
    const output = run(
      `
      if (exists(task.comm)) output[0] = 1
      output[1] = sizeof(task)
      output[2] = sizeof(task.comm)
      output[3] = sizeof(task.real_parent.pid)
      output[4] = sizeof<Point>()`,
      'interface Point { x: u8; y: u64 }',
    )
    expect(output.slice(0, 5)).toEqual([1n, size, 16n, 4n, 16n])
  })

  it('are found at an address, and behind a pointer to another struct', () => {
    const output = run(`
      output[0] = u64(s64(cast('task_struct', u64(task)).tgid))
      const same = cast('task_struct', task.real_parent)
      output[1] = same.tgid === task.real_parent.tgid ? 1 : 0
      output[2] = cast('pid', u64(0)).level`)
    expect(output.slice(0, 3)).toEqual([BigInt(process.pid), 1n, 0n])
  })

  it('may be declared by the program, for kernels that have others', () => {
    const declarations = `
      interface task_struct___mine { pid: s32; tgid: s32; comm: char<16>; not_there: u64 }
      interface task_struct___turned { tgid: be32 }
      interface nsproxy___other { also_missing: u32 }
      export const name = data<char<16>>()`
    const output = run(
      `
      const mine = flavor<task_struct___mine>(task)
      output[0] = u64(s64(mine.tgid))
      output[1] = exists(mine.comm) ? 1 : 0
      if (exists(mine.not_there)) output[2] = mine.not_there
      else output[2] = 7
      output[3] = exists(flavor<nsproxy___other>(task.nsproxy).also_missing) ? 1 : 0
      output[4] = mine.comm === '${comm}' ? 1 : 0
      output[5] = sizeof(mine.comm)
      output[6] = flavor<task_struct___turned>(task).tgid`,
      declarations,
    )
    const turned = BigInt(Buffer.from(Uint32Array.of(process.pid).buffer).readUint32BE())
    expect(output.slice(0, 7)).toEqual([BigInt(process.pid), 1n, 7n, 0n, 1n, 16n, turned])
  })

  it('may be text behind a pointer', () => {
    const output = run(`
      const buffer: char<32> = task.nsproxy.uts_ns.name.sysname
      output[0] = buffer === 'Linux' ? 1 : 0
      output[1] = task.files.fdt ? 1 : 0
      output[2] = task.mm.binfmt.module ? 0 : 1
      output[3] = task.fs.root.mnt.mnt_root.d_name.name === '/' ? 1 : 0
      output[4] = task.fs.root.mnt.mnt_root.d_name.name.startsWith('/') ? 1 : 0
      output[5] = task.fs.root.mnt.mnt_sb.s_type.name.startsWith('no such type') ? 1 : 0`)
    expect(output.slice(0, 6)).toEqual([1n, 1n, 1n, 1n, 1n, 0n])
  })

  it('are values of enums that libbpf looks up', () => {
    const type = kernel.find('bpf_map_type', 'enum')
    const value = type?.values.find(({ name }) => name === 'BPF_MAP_TYPE_RINGBUF')?.value
    const output = run(`
      output[0] = enumValue('bpf_map_type', 'BPF_MAP_TYPE_RINGBUF')
      output[1] = exists(enumValue('bpf_map_type', 'BPF_MAP_TYPE_HASH')) ? 1 : 0`)
    expect(output.slice(0, 2)).toEqual([BigInt(value!), 1n])
  })
})
