import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfError, Btf, type BtfTypes, ids } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { compile } from '../helpers/compile.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, thrownBy } from '../helpers/objects.js'
import { BtfWriter, Elf } from './helper.js'

const vmlinux = '/sys/kernel/btf/vmlinux'

describe('Btf.fromKernel', () => {
  it('has the types that programs look at', () => {
    using btf = Btf.fromKernel()
    const task = btf.types.get('task_struct', 'struct')
    expect(task.members.map(({ name }) => name)).toEqual(expect.arrayContaining(['pid', 'tgid', 'comm']))
  })

  it('equals Btf.fromFile and Btf.fromBytes of the same BTF', () => {
    using kernel = Btf.fromKernel()
    using file = Btf.fromFile(vmlinux)
    using bytes = Btf.fromBytes(readFileSync(vmlinux))
    const { id } = kernel.types.get('task_struct', 'struct')
    expect(file.types.get('task_struct', 'struct').id).toBe(id)
    expect(bytes.types.get('task_struct', 'struct').id).toBe(id)
  })
})

describe('Btf.fromFile', () => {
  it('reads the BTF of an object file', () => {
    using btf = Btf.fromFile(objectPath('exec'))
    const c = btf.toC(['execution'])
    expect(c).toMatch(/^struct execution \{\n\t__s32 pid;/m)
    expect(c).toContain('typedef int __s32;')
    expect(c).not.toContain('struct task_struct {')
    const { size } = btf.types.get('execution', 'struct')
    expect(btf.dumpData('execution', new Uint8Array(size).fill(0x41))).toContain('.pid = (__s32)1094795585')
  })

  it('names a file without BTF', () => {
    for (const [path, code] of [
      ['/nonexistent/btf', 'ENOENT'],
      ['/bin/sh', 'ENODATA'],
      [fileURLToPath(import.meta.url), 'LIBBPF_ERRNO__FORMAT'],
    ]) {
      expect(thrownBy(() => Btf.fromFile(path!))).toMatchObject({ code, target: path })
    }
    expect(thrownBy(() => Btf.fromFile(5 as never))).toBeInstanceOf(TypeError)
  })
})

describe('Btf.fromBytes', () => {
  it.each([
    ['no bytes', new Uint8Array()],
    ['text', new TextEncoder().encode('this is no BTF, not at all, not even a header')],
    ['half a BTF', readFileSync(vmlinux).subarray(0, 100_000)],
  ])('refuses %s', (_, bytes) => {
    expect(thrownBy(() => Btf.fromBytes(bytes))).toBeInstanceOf(BpfError)
  })

  it('throws a TypeError for an argument that is not a Uint8Array', () => {
    for (const wrong of [undefined, 'text', [1], new ArrayBuffer(100)]) {
      expect(thrownBy(() => Btf.fromBytes(wrong as never))).toBeInstanceOf(TypeError)
    }
  })
})

/** BTF with an int and a struct, and split BTF on top of it with a struct of two of those structs. */
function pair(): { base: Uint8Array; split: Uint8Array } {
  const writer = new BtfWriter()
  const int = writer.int('int', 4, 1)
  const point = writer.record('struct', 'point', 8, [
    ['x', int, 0],
    ['y', int, 32],
  ])
  const top = new BtfWriter(true, { typeCount: 3, stringsSize: writer.stringsSize })
  top.record('struct', 'line', 16, [
    ['from', point, 0],
    ['to', point, 64],
  ])
  return { base: writer.bytes(), split: top.bytes() }
}

describe('split BTF', () => {
  it('continues with the ids after those of its base', () => {
    const { base, split } = pair()
    using below = Btf.fromBytes(base)
    using above = Btf.fromBytes(split, { base: below })
    const types: BtfTypes = above.types
    expect(types.get('line').id).toBe(3)
    expect(types.get('point').id).toBe(2)
    expect(below.types.find('line')).toBeUndefined()
    const bytes = new Uint8Array(Int32Array.of(1, 2, 3, 4).buffer)
    expect(above.dumpData('line', bytes)).toBe(
      '(struct line){.from = (struct point){.x = (int)1,.y = (int)2,},.to = (struct point){.x = (int)3,.y = (int)4,},}',
    )
  })

  it('can be used after its base is closed', () => {
    const { base, split } = pair()
    const below = Btf.fromBytes(base)
    using above = Btf.fromBytes(split, { base: below })
    below.close()
    expect(above.toC(['line'])).toContain('struct point from;')
  })

  it('is refused without its base', () => {
    expect(() => Btf.fromBytes(pair().split)).toThrow(BpfError)
  })
})

describe('Btf.fromId', () => {
  it('loads the BTF that an object brought into the kernel', () => {
    using object = load('maps')
    const { btfId } = object.map('points').info()
    expect([...ids('btf')]).toContain(btfId)
    expect(Btf.info(btfId)).toMatchObject({ id: btfId, name: '', isKernel: false })
    using btf = Btf.fromId(btfId)
    expect(btf.types.get('point', 'struct')).toMatchObject({ size: 24 })
  })

  requiresKernel('5.11', "loads the kernel's own BTF", () => {
    const id = [...ids('btf')].find((id) => Btf.info(id).name === 'vmlinux')
    expect(id).toBeDefined()
    using btf = Btf.fromId(id!)
    expect(btf.types.get('task_struct', 'struct').size).toBeGreaterThan(1000)
  })

  it('throws ENOENT for an id that does not exist', () => {
    const error = thrownBy(() => Btf.fromId(2 ** 31 - 1))
    expect(error).toMatchObject({ code: 'ENOENT' })
    expect((error as Error).message).toContain('the BTF with id 2147483647')
  })
})

describe('Btf.fromModule', () => {
  const modules = readdirSync('/sys/kernel/btf').filter((name) => name !== 'vmlinux')

  const name = 'has the types of the module and of the kernel'
  const test = (): void => {
    for (const name of modules.slice(0, 3)) {
      using btf = Btf.fromModule(name)
      expect(btf.types.base).toBeDefined()
      expect(btf.types.get('task_struct', 'struct').size).toBeGreaterThan(1000)
      expect(btf.types.typeCount).toBeGreaterThan(btf.types.base!.typeCount)
    }
  }
  if (modules.length > 0 || !kernelIs('5.11')) requiresKernel('5.11', name, test)
  else it.skip(`${name} (this kernel: no modules, or built without CONFIG_DEBUG_INFO_BTF_MODULES)`, test)

  it('throws ENOENT for a module that does not exist, and suggests a name', () => {
    const error = thrownBy(() => Btf.fromModule('vmlinus'))
    expect(error).toMatchObject({ code: 'ENOENT', target: 'vmlinus' })
    expect((error as Error).message).toContain("did you mean 'vmlinux'?")
  })
})

describe('Btf.toC', () => {
  it('writes only the named types and what they need', () => {
    using btf = Btf.fromKernel()
    const c = btf.toC(['bpf_map_type', 'xdp_md'])
    expect(c).toMatch(/^enum bpf_map_type \{/m)
    expect(c).toContain('BPF_MAP_TYPE_HASH = 1,')
    expect(c).toMatch(/^struct xdp_md \{\n\t__u32 data;/m)
    expect(c).toMatch(/typedef .*__u32;/)
    expect(c).toContain('preserve_access_index')
    expect(c).not.toContain('struct task_struct {')
    expect(c).not.toContain('__ksym')
  })

  it('throws for a type that does not exist, and names it', () => {
    using btf = Btf.fromKernel()
    expect(() => btf.toC(['task_strukt'])).toThrow(/no BTF type is named 'task_strukt'; did you mean/)
    expect(btf.types.find('task_strukt')).toBeUndefined()
  })

  it('writes the prototype of each function that BTF tags as a kfunc', () => {
    using btf = Btf.fromKernel()
    const tagged = [...btf.types.ofKind('decl_tag')].filter(({ name }) => name === 'bpf_kfunc')
    const names = tagged.map(({ typeId }) => btf.types.type(typeId).name)
    const c = btf.toC()
    const prototypes = c.match(/^.*\bextern .* __weak __ksym;$/gm) ?? []
    expect(prototypes.length).toBe(names.length)
    for (const [i, name] of names.entries()) expect(prototypes[i]).toMatch(new RegExp(`[ *]${name}\\(`))
    if (names.length === 0) return
    // Compiles, and calls one of them.
    const source = `${c}
      __attribute__((section("xdp"), used)) int prog(struct xdp_md *ctx) { return (long)&${names[0]} != 0; }`
    const object = compile('clang', ['-g', '-O2', '-target', 'bpf', '-w', '-fms-extensions', '-c'], source)
    using called = Btf.fromBytes(new Elf(object).section('.BTF'))
    expect(called.types.find(names[0]!, 'func')).toMatchObject({ linkage: 'extern' })
    compile('clang', ['-target', 'bpf', '-w', '-fms-extensions', '-DBPF_NO_KFUNC_PROTOTYPES', '-c'], c)
  })
})

describe('Btf.codec', () => {
  it('reads a struct of the kernel', () => {
    using btf = Btf.fromKernel()
    const codec = btf.codec<{ tv_sec: bigint; tv_nsec: bigint }>('timespec64')
    expect(codec.encodeBytes({ tv_sec: 5n, tv_nsec: 7n })).toEqual(
      new Uint8Array(BigInt64Array.of(5n, 7n).buffer),
    )
    expect(btf.codec('timespec64', { bigint: false }).decodeBytes(new Uint8Array(16))).toEqual({
      tv_sec: 0,
      tv_nsec: 0,
    })
    expect(btf.codec('task_struct').size).toBe(btf.types.get('task_struct', 'struct').size)
  })

  it('prefers a struct to a typedef, and both to a function of the same name', () => {
    const writer = new BtfWriter()
    const int = writer.int('int', 4, 1)
    writer.add('func', 'twice', writer.add('func_proto', '', int), [], 1)
    writer.add('typedef', 'twice', int)
    expect(writer.btf.codec<number>('twice').size).toBe(4)
    writer.record('struct', 'twice', 8, [['x', int, 0]])
    expect(writer.btf.codec('twice').decodeBytes(new Uint8Array(8))).toEqual({ x: 0 })
    expect(writer.btf.codec(int).encodeBytes(-1 as never)).toEqual(new Uint8Array(4).fill(255))
  })

  it('throws for a type that does not exist or has no values', () => {
    using btf = Btf.fromKernel()
    expect(() => btf.codec('timespec65')).toThrow(
      "no BTF type is named 'timespec65'; did you mean 'timespec64'",
    )
    expect(() => btf.codec(2 ** 31)).toThrow(RangeError)
    const writer = new BtfWriter()
    writer.add('func', 'helper', writer.add('func_proto', '', 0), [], 1)
    expect(() => writer.btf.codec('helper')).toThrow(new TypeError('func helper has no values'))
  })
})

describe('Btf.close', () => {
  it('keeps the types usable, and may be called twice', () => {
    const btf = Btf.fromKernel()
    const { types } = btf
    btf.close()
    btf.close()
    expect(types.get('task_struct', 'struct').kind).toBe('struct')
    expect(thrownBy(() => btf.toC(['xdp_md']))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})

describe('BpfObject.types', () => {
  it('has the types of the programs in the object', () => {
    using object = load('exec')
    const { members } = object.types.get('execution', 'struct')
    expect(members.map(({ name }) => name)).toEqual(['pid', 'parent', 'comm'])
  })
})
