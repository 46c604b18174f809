import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BPF_F_RDONLY, BPF_F_WRONLY, BpfMap, Link, listPins, openMap, openPin, Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'

const bpffs = useBpffs()

/** Pins a program, a map, and, where the kernel has them, a link. */
function pinned() {
  const object = open('programs')
  object.program('on_exec').autoload = true
  object.loadSync()
  mkdirSync(bpffs('inner'))
  object.program('length').pin(bpffs('length'))
  object.map('.bss').pin(bpffs('inner/bss'))
  const link = kernelIs('5.7') ? object.program('on_exec').attach() : undefined
  link?.pin(bpffs('inner/exec'))
  return {
    object,
    link,
    [Symbol.dispose]() {
      link?.unpin()
      object.map('.bss').unpin()
      object.program('length').unpin(bpffs('length'))
      rmdirSync(bpffs('inner'))
      object.close()
    },
  }
}

describe('openPin', () => {
  it('opens a program, a map or a link', () => {
    using pins = pinned()
    using program = openPin(bpffs('length'))
    expect(program).toBeInstanceOf(Program)
    expect((program as Program).testRunSync({ data: new Uint8Array(64) }).retval).toBe(50)
    using map = openPin(bpffs('inner/bss'))
    expect(map).toBeInstanceOf(BpfMap)
    // The types come from the BTF that the kernel has.
    const variables = map as BpfMap<Uint8Array, Record<string, unknown>>
    expect(variables.get(new Uint8Array(4))).toMatchObject({ exits: 0n })
    if (pins.link === undefined) return
    using link = openPin(bpffs('inner/exec'))
    expect(link).toBeInstanceOf(Link)
    expect((link as Link).info().programId).toBe(pins.object.program('on_exec').id)
  })

  it('takes the section of a program', () => {
    using _pins = pinned()
    using program = openPin(bpffs('length'), { section: 'socket' })
    expect((program as Program).section).toBe('socket')
  })

  it('says why a file cannot be opened', () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-pin-'))
    try {
      writeFileSync(join(folder, 'file'), '')
      expect(thrownBy(() => openPin(join(folder, 'file')))).toMatchObject({
        code: 'EACCES',
        message: expect.stringContaining('it is not a file on a BPF file system'),
      })
      expect(() => openPin(join(folder, 'absent'))).toThrow('the file does not exist')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('listPins', () => {
  it('walks the folders of a BPF file system', () => {
    using pins = pinned()
    const { object } = pins
    const found = [...listPins(bpffs())].map(({ path, kind, info }) => ({ path, kind, id: info.id }))
    expect(found).toEqual([
      { path: bpffs('inner/bss'), kind: 'map', id: object.map('.bss').id },
      ...(pins.link ? [{ path: bpffs('inner/exec'), kind: 'link', id: pins.link.info().id }] : []),
      { path: bpffs('length'), kind: 'program', id: object.program('length').id },
    ])
  })

  it('throws if there is no such folder', () => {
    expect(() => [...listPins(bpffs('absent'))]).toThrow('ENOENT')
  })
})

describe('maps that are opened with flags', () => {
  it('can only be read or only be written', () => {
    using object = load('maps')
    const { id } = object.map('numbers')
    const zero = new Uint8Array(4)
    using reader = BpfMap.fromId(id, { flags: BPF_F_RDONLY })
    expect(() => reader.get(zero)).not.toThrow()
    expect(thrownBy(() => reader.set(zero, new Uint8Array(reader.valueSize)))).toMatchObject({
      code: 'EPERM',
    })
    using writer = openMap<number, unknown>(id, { flags: BPF_F_WRONLY })
    expect(thrownBy(() => writer.get(0))).toMatchObject({ code: 'EPERM' })
    expect(thrownBy(() => BpfMap.fromId(id, { flags: -1 }))).toMatchObject({ message: /flags/ })
  })
})
