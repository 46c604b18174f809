import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfError, Btf } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, objectPath, thrownBy } from '../helpers/objects.js'

const vmlinux = '/sys/kernel/btf/vmlinux'

describe('Btf', () => {
  it('is the kernel’s, with the types that programs look at', () => {
    using btf = Btf.fromKernel()
    const task = btf.types.get('task_struct', 'struct')
    expect(task.members.map(({ name }) => name)).toEqual(expect.arrayContaining(['pid', 'tgid', 'comm']))
  })

  it('is the same from the kernel, a file and bytes', () => {
    using kernel = Btf.fromKernel()
    using file = Btf.fromFile(vmlinux)
    using bytes = Btf.fromBytes(readFileSync(vmlinux))
    const id = kernel.types.get('task_struct', 'struct').id
    expect(file.types.get('task_struct', 'struct').id).toBe(id)
    expect(bytes.types.get('task_struct', 'struct').id).toBe(id)
  })

  it('is that of an object file', () => {
    using btf = Btf.fromFile(objectPath('exec'))
    const c = btf.toC(['execution'])
    expect(c).toMatch(/^struct execution \{\n\t__s32 pid;/m)
    expect(c).toContain('typedef int __s32;')
    expect(c).not.toContain('struct task_struct {')
    const bytes = btf.types.get('execution', 'struct').size
    expect(btf.dumpData('execution', new Uint8Array(bytes).fill(0x41))).toContain('.pid = (__s32)1094795585')
  })

  it('says which file is none', () => {
    for (const [path, code] of [
      ['/nonexistent/btf', 'ENOENT'],
      ['/bin/sh', 'ENODATA'],
      [fileURLToPath(import.meta.url), 'LIBBPF_ERRNO__FORMAT'],
    ]) {
      expect(thrownBy(() => Btf.fromFile(path!))).toMatchObject({ code, target: path })
    }
    expect(thrownBy(() => Btf.fromFile(5 as never))).toBeInstanceOf(TypeError)
  })

  it('is written as C: some types with what they need', () => {
    using btf = Btf.fromKernel()
    const c = btf.toC(['bpf_map_type', 'xdp_md'])
    expect(c).toMatch(/^enum bpf_map_type \{/m)
    expect(c).toContain('BPF_MAP_TYPE_HASH = 1,')
    expect(c).toMatch(/^struct xdp_md \{\n\t__u32 data;/m)
    expect(c).toMatch(/typedef .*__u32;/)
    expect(c).toContain('preserve_access_index')
    expect(c).not.toContain('struct task_struct {')
  })

  it('names the type that is not there', () => {
    using btf = Btf.fromKernel()
    expect(() => btf.toC(['task_strukt'])).toThrow(/task_strukt/)
    expect(btf.types.find('task_strukt')).toBeUndefined()
  })

  it('of an object has the types of its programs', () => {
    using object = load('exec')
    expect(object.types.get('execution', 'struct').members.map(({ name }) => name)).toEqual([
      'pid',
      'parent',
      'comm',
    ])
  })

  it('keeps its types when it is closed, and is closed once', () => {
    const btf = Btf.fromKernel()
    const { types } = btf
    btf.close()
    btf.close()
    expect(types.get('task_struct', 'struct').kind).toBe('struct')
    expect(thrownBy(() => btf.toC(['xdp_md']))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['text', new TextEncoder().encode('this is no BTF, not at all, not even a header')],
    ['half of it', readFileSync(vmlinux).subarray(0, 100_000)],
  ])('is not made of %s', (_, bytes) => {
    expect(thrownBy(() => Btf.fromBytes(bytes))).toBeInstanceOf(BpfError)
  })

  it('does not take what is no bytes', () => {
    for (const wrong of [undefined, 'text', [1], new ArrayBuffer(100)]) {
      expect(thrownBy(() => Btf.fromBytes(wrong as never))).toBeInstanceOf(TypeError)
    }
  })
})
