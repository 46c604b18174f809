import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { BpfError, BpfMap, BpfObject, Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'

describe('BpfObject', () => {
  it.each([
    ['a path', objectPath('maps'), 'maps'],
    ['a file: URL', pathToFileURL(objectPath('maps')), 'maps'],
    // libbpf makes up a name from the address and size of the bytes.
    ['bytes', new Uint8Array(readFileSync(objectPath('maps'))), /^[0-9a-f]+-[0-9a-f]+$/],
    ['a Buffer', readFileSync(objectPath('maps')), /^[0-9a-f]+-[0-9a-f]+$/],
  ])('is opened from %s', (_, source, name) => {
    using object = BpfObject.open(source)
    expect(object.name).toMatch(name)
    expect([...object.programs.keys()]).toEqual(['count'])
    object.loadSync()
    expect(object.loaded).toBe(true)
  })

  it('copies the bytes that it is opened from', () => {
    const bytes = new Uint8Array(readFileSync(objectPath('maps')))
    using object = BpfObject.open(bytes)
    bytes.fill(0xff)
    object.loadSync()
    expect(object.loaded).toBe(true)
  })

  it('loads nothing into the kernel when it is opened', () => {
    using object = open('programs')
    expect(object.loaded).toBe(false)
    expect([...object.programs.values()].some((program) => program.loaded)).toBe(false)
  })

  it('has its programs in the order of the file, and its maps by name', () => {
    using object = open('links')
    expect([...object.programs.keys()]).toEqual([
      'raw_tracepoint',
      'tracepoint',
      'tracing',
      'says_one',
      'says_two',
      'no_such_tracepoint',
    ])
    expect(object.program('tracing')).toBeInstanceOf(Program)
    expect(object.program('tracing')).toBe(object.programs.get('tracing'))
    using maps = open('maps')
    expect([...maps.maps.keys()]).toEqual(expect.arrayContaining(['points', 'by_point', 'numbers', 'ring']))
    expect(maps.map('points')).toBeInstanceOf(BpfMap)
    expect(maps.map('points')).toBe(maps.maps.get('points'))
  })

  it('finds the maps of sections by the name of the section', () => {
    using object = open('globals')
    expect(object.map('.rodata').name).toBe('globals.rodata')
    expect(object.map('.data.custom').name).toBe('.data.custom')
    expect(object.map('.bss').isInternal).toBe(true)
  })

  it.each([
    ['program', 'swap_mac', 'swap_macs'],
    ['map', 'executionz', undefined],
  ] as const)('says that there is no %s %s, and which comes near', (kind, name, near) => {
    using object = open('programs')
    const error = thrownBy(() => object[kind](name))
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({ code: 'ERR_BPF_NOT_FOUND', object: 'programs' })
    expect((error as Error).message).toContain(`object 'programs' has no ${kind} '${name}'`)
    if (near !== undefined) expect((error as Error).message).toContain(`did you mean '${near}'`)
  })

  it('has codecs for its types', () => {
    using object = open('programs')
    const sum = object.codec<{ a: bigint; b: bigint; total: bigint }>('sum')
    expect(sum.size).toBe(24)
    expect(sum.decodeBytes(sum.encodeBytes({ a: 1n, b: 2n, total: 3n }))).toEqual({ a: 1n, b: 2n, total: 3n })
    expect(() => object.codec('summ')).toThrow("object 'programs' has no type 'summ'")
  })

  it('is closed by `using`', () => {
    let kept: BpfObject
    {
      using object = load('maps')
      kept = object
      expect(kept.closed).toBe(false)
    }
    expect(kept.closed).toBe(true)
  })
})

describe('the source of BpfObject.open', () => {
  it.each([undefined, null, 5, {}, [1, 2]])('throws a TypeError if it is %s', (source) => {
    expect(() => BpfObject.open(source as unknown as string)).toThrow(TypeError)
  })
})
