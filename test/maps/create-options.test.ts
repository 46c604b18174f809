import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfMap, Btf, Link, openPin, Program } from 'libbpf-node'
import { buildBtf, types } from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { ip, loadOnly, useVeth } from '../attach/surroundings.js'
import { runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'

const bpffs = useBpffs()
const veth = useVeth()

const event = types.struct('event', { pid: types.u32, comm: types.array(types.char, 16) })

describe('BpfMap.create with BTF', () => {
  it('gives keys and values their types, in the kernel as well', () => {
    using btf = Btf.fromBytes(buildBtf({ types: [event, types.u32] }))
    using map = BpfMap.create<number, { pid: number; comm: string }>({
      type: 'hash',
      keySize: 4,
      valueSize: 20,
      maxEntries: 4,
      btf: { types: btf, key: types.u32.name, value: 'event' },
    })
    btf.close()
    map.set(7, { pid: 42, comm: 'node' })
    expect([...map]).toEqual([[7, { pid: 42, comm: 'node' }]])
    const { btfId, btfKeyTypeId, btfValueTypeId } = map.info()
    expect([btfKeyTypeId, btfValueTypeId].every((id) => id > 0)).toBe(true)
    using kernels = Btf.fromId(btfId)
    expect(kernels.types.type(btfValueTypeId)).toMatchObject({ kind: 'struct', name: 'event' })
  })

  it('fails if the types do not have the sizes of keys and values', () => {
    using btf = Btf.fromBytes(buildBtf({ types: [event, types.u32] }))
    const options = { type: 'hash', keySize: 4, valueSize: 24, maxEntries: 4 } as const
    const typed = { ...options, btf: { types: btf, key: types.u32.name, value: 'event' } }
    expect(thrownBy(() => BpfMap.create(typed))).toMatchObject({
      code: 'EINVAL',
      operation: 'bpf_map_create',
    })
    const unknown = { ...options, btf: { types: btf, key: types.u32.name, value: 'evnt' } }
    expect(() => BpfMap.create(unknown)).toThrow("did you mean 'event'")
  })
})

describe('BpfMap.setExclusiveProgram', () => {
  requiresKernel('6.18', 'lets no other program use the map', () => {
    using alone = loadOnly('attach-net', ['xdp_pass'], (object) => {
      expect(object.map('.bss').exclusiveProgram).toBeUndefined()
      object.map('.bss').setExclusiveProgram(object.program('xdp_pass'))
      expect(object.map('.bss').exclusiveProgram).toBe('xdp_pass')
    })
    expect(alone.program('xdp_pass').loaded).toBe(true)
    expect(() =>
      loadOnly('attach-net', ['xdp_pass', 'xdp_other'], (object) =>
        object.map('.bss').setExclusiveProgram(object.program('xdp_pass')),
      ),
    ).toThrow(/xdp_other/)
  })

  it('refuses a program of another object, and a map that is loaded', () => {
    using one = open('attach-net')
    using other = open('attach-net')
    expect(() => one.map('.bss').setExclusiveProgram(other.program('xdp_pass'))).toThrow(/EINVAL/)
    using loaded = load('exec')
    const map = [...loaded.maps.values()][0]!
    expect(() => map.setExclusiveProgram(loaded.program('on_exec'))).toThrow(
      'exclusive programs must be set before map creation',
    )
  })
})

describe('Program.bindMap', () => {
  requiresKernel('5.10', 'keeps a map as long as the program', () => {
    using object = load('exec')
    const program = object.program('on_exec')
    const map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, name: 'about' })
    program.bindMap(map)
    const { id } = map
    map.close()
    expect(program.info().mapIds).toContain(id)
    using again = BpfMap.fromId(id)
    expect(again.name).toBe('about')
  })
})

describe('Program.assocStructOps', () => {
  requiresKernel('7.0', 'gives a program the struct_ops map that its kfuncs work on', () => {
    using operations = load('struct-ops')
    using object = load('exec')
    const program = object.program('on_exec')
    program.assocStructOps(operations.map('one'))
    expect(thrownBy(() => program.assocStructOps(operations.map('two')))).toMatchObject({ code: 'EBUSY' })
  })

  it('explains what it cannot associate', () => {
    using object = load('exec')
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 })
    expect(() => object.program('on_exec').assocStructOps(map)).toThrow('the map is of type array')
  })
})

describe('pins by a descriptor of their folder', () => {
  requiresKernel('6.5', 'are made and opened', () => {
    using object = loadOnly('attach-net', ['xdp_pass'])
    const folder = openSync(bpffs(), 'r')
    try {
      using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 })
      map.pin('a-map', { folder })
      object.program('xdp_pass').pin('a-program', { folder })
      using link = object.program('xdp_pass').attachXdp(veth.name)
      link.pin('a-link', { folder })
      const kinds = ['a-map', 'a-program', 'a-link'].map((name) => {
        using pinned = openPin(name, { folder })
        return pinned.constructor
      })
      expect(kinds).toEqual([BpfMap, Program, Link])
      expect(thrownBy(() => map.pin('a-map', { folder }))).toMatchObject({ code: 'EEXIST' })
      for (const name of ['a-map', 'a-program', 'a-link']) rmSync(bpffs(name))
    } finally {
      closeSync(folder)
    }
  })
})

describe('Token', () => {
  requiresKernel('6.9', 'lets a container create a map', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    try {
      const launcher = join(folder, 'token')
      const source = readFileSync(new URL('../c/token.c', import.meta.url), 'utf8')
      writeFileSync(launcher, compile('cc', ['-O1'], source), { mode: 0o755 })
      const script = `
        import { BpfMap, Token } from 'libbpf-node'
        const options = { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 }
        try { BpfMap.create(options).close() } catch (error) { console.log(error.code) }
        const token = Token.create(process.argv[1])
        const map = BpfMap.create({ ...options, token })
        token.close()
        map.set(Uint8Array.of(1, 0, 0, 0), Uint8Array.of(2, 0, 0, 0))
        console.log([...map].length)
        try { Token.create('/tmp') } catch (error) { console.log(error.code) }
        map.close()`
      const { stdout, stderr } = await runChild(script, [folder], { under: [launcher, folder] })
      expect({ stdout, stderr }).toEqual({ stdout: 'EPERM\n1\nEINVAL\n', stderr: '' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
