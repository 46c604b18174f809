import { readdirSync } from 'node:fs'
import { BpfError, Btf, type BtfTypes, ids } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { load, thrownBy } from '../helpers/objects.js'
import { BtfWriter } from './helper.js'

/** BTF with an int and a struct, and more on top of it that has a struct with those as members. */
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
  it('goes on where its base ends', () => {
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

  it('outlives its base', () => {
    const { base, split } = pair()
    const below = Btf.fromBytes(base)
    using above = Btf.fromBytes(split, { base: below })
    below.close()
    expect(above.toC(['line'])).toContain('struct point from;')
  })

  it('is not taken without its base', () => {
    expect(() => Btf.fromBytes(pair().split)).toThrow(BpfError)
  })
})

describe('Btf.fromId', () => {
  it('gives the types that an object has brought into the kernel', () => {
    using object = load('maps')
    const { btfId } = object.map('points').info()
    expect([...ids('btf')]).toContain(btfId)
    expect(Btf.info(btfId)).toMatchObject({ id: btfId, name: '', isKernel: false })
    using btf = Btf.fromId(btfId)
    expect(btf.types.get('point', 'struct')).toMatchObject({ size: 24 })
  })

  requiresKernel('5.11', "gives the kernel's own", () => {
    const id = [...ids('btf')].find((id) => Btf.info(id).name === 'vmlinux')
    // Those that run with a BTF of their own have one.
    expect(id).toBeDefined()
    using btf = Btf.fromId(id!)
    expect(btf.types.get('task_struct', 'struct').size).toBeGreaterThan(1000)
  })

  it('says which is not there', () => {
    const error = thrownBy(() => Btf.fromId(2 ** 31 - 1))
    expect(error).toMatchObject({ code: 'ENOENT' })
    expect((error as Error).message).toContain('the BTF with id 2147483647')
  })
})

describe('Btf.fromModule', () => {
  const modules = readdirSync('/sys/kernel/btf').filter((name) => name !== 'vmlinux')

  const name = "gives a module's types, and the kernel's"
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

  it('says which is not there', () => {
    const error = thrownBy(() => Btf.fromModule('vmlinus'))
    expect(error).toMatchObject({ code: 'ENOENT', target: 'vmlinus' })
    expect((error as Error).message).toContain("did you mean 'vmlinux'?")
  })
})
