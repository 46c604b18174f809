import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfMap, type BpfObject } from 'libbpf-node'
import { afterEach, describe, expect, it } from 'vitest'
import { open, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'

const bpffs = useBpffs()

/** Loads pinned.bpf.c without pinning the map that asks for it. */
function loadUnpinned(): BpfObject {
  const object = open('pinned')
  object.map('shared').pinPath = undefined
  object.loadSync()
  return object
}

afterEach(() => {
  for (const name of readdirSync(bpffs())) rmSync(bpffs(name), { recursive: true })
})

describe('a pinned map', () => {
  it('can be opened from its path until it is unpinned', () => {
    using object = loadUnpinned()
    const map = object.map<number, bigint>('private')
    map.set(0, 5n)
    expect(map.isPinned).toBe(false)
    map.pin(bpffs('map'))
    expect(map.isPinned).toBe(true)
    expect(map.pinPath).toBe(bpffs('map'))
    using pinned = BpfMap.fromPin(bpffs('map'))
    expect(pinned.id).toBe(map.id)
    expect([...pinned.get(new Uint8Array(4))!]).toEqual([5, 0, 0, 0, 0, 0, 0, 0])
    map.unpin()
    expect(map.isPinned).toBe(false)
    expect(existsSync(bpffs('map'))).toBe(false)
    expect(pinned.id).toBe(map.id)
  })

  it('outlives its object', () => {
    const object = loadUnpinned()
    object.map('private').pin(bpffs('map'))
    const { id } = object.map('private')
    object.close()
    using pinned = BpfMap.fromPin(bpffs('map'))
    expect(pinned.id).toBe(id)
    pinned.unpin(bpffs('map'))
  })

  it('is pinned to its pin path by load, and reused by the next object', () => {
    using first = open('pinned')
    first.map('shared').pinPath = bpffs('one')
    first.loadSync()
    expect(first.map('shared').isPinned).toBe(true)
    using second = open('pinned')
    second.map('shared').pinPath = bpffs('one')
    second.loadSync()
    expect(second.map('shared').id).toBe(first.map('shared').id)
    first.map('shared').unpin()
    expect(thrownBy(() => second.map('shared').unpin())).toMatchObject({ code: 'ENOENT', map: 'shared' })
  })

  it('must match the declaration of the object that reuses it', () => {
    using other = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    other.pin(bpffs('shared'))
    using object = open('pinned', { pinRootPath: bpffs() })
    const error = thrownBy(() => object.loadSync())
    expect(error).toMatchObject({ operation: 'bpf_object__load' })
    expect((error as Error).message).toContain(
      `map 'shared' does not match the map that is pinned at ${bpffs('shared')}, which has value size 4 bytes instead of 8; `,
    )
    other.unpin(bpffs('shared'))
  })

  it('is reported with all differences if it does not match', async () => {
    using other = BpfMap.create({ type: 'hash', keySize: 8, valueSize: 4, maxEntries: 7, flags: 1 })
    other.pin(bpffs('other'))
    using object = open('pinned')
    object.map('shared').pinPath = undefined
    object.map('private').pinPath = bpffs('other')
    const error: unknown = await object.load().catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'EINVAL', object: 'pinned' })
    expect((error as Error).message).toContain(
      'which has type hash instead of array, key size 8 bytes instead of 4, value size 4 bytes instead of 8, maxEntries 7 instead of 1, flags 0x1 instead of 0x0',
    )
    other.unpin(bpffs('other'))
  })

  it('is opened by fromPin only if it is as expected', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    map.pin(bpffs('map'))
    const error = thrownBy(() => BpfMap.fromPin(bpffs('map'), { expect: { type: 'hash', maxEntries: 2 } }))
    expect(error).toMatchObject({ code: 'ERR_BPF_MISMATCH', target: bpffs('map') })
    expect((error as Error).message).toContain('it has type array instead of hash, maxEntries 1 instead of 2')
    using found = BpfMap.fromPin(bpffs('map'), { expect: { type: 'array', keySize: 4 } })
    expect(found.id).toBe(map.id)
    map.unpin(bpffs('map'))
  })

  it('need not belong to an object, but then needs a path', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    map.pin(bpffs('lonely'))
    using pinned = BpfMap.fromPin(bpffs('lonely'))
    expect(pinned.id).toBe(map.id)
    map.unpin(bpffs('lonely'))
    expect(thrownBy(() => map.pin())).toMatchObject({ code: 'EINVAL' })
    expect(thrownBy(() => map.unpin())).toMatchObject({ code: 'EINVAL' })
  })

  it('can be opened for reading or writing only, with flags', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    map.pin(bpffs('map'))
    const key = new Uint8Array(4)
    using reader = BpfMap.fromPin(bpffs('map'), { flags: 8 }) // BPF_F_RDONLY
    expect(reader.get(key)).toEqual(new Uint8Array(4))
    expect(thrownBy(() => reader.set(key, key))).toMatchObject({ code: 'EPERM' })
    using writer = BpfMap.fromPin(bpffs('map'), { flags: 16 }) // BPF_F_WRONLY
    writer.set(key, Uint8Array.of(1, 2, 3, 4))
    expect(thrownBy(() => writer.get(key))).toMatchObject({ code: 'EPERM' })
    map.unpin(bpffs('map'))
  })

  it('needs a free path on a BPF file system', () => {
    using object = loadUnpinned()
    const map = object.map('private')
    map.pin(bpffs('map'))
    using other = loadUnpinned()
    expect(thrownBy(() => other.map('private').pin(bpffs('map')))).toMatchObject({ code: 'EEXIST' })
    map.unpin()
    using third = loadUnpinned()
    expect(() => third.map('private').pin('/tmp/map')).toThrow('/tmp/map is not on a BPF file system')
  })
})

describe('BpfMap.pin', () => {
  it('can be tried again at another path after it failed', () => {
    using object = loadUnpinned()
    const map = object.map('private')
    expect(() => map.pin('/tmp/map')).toThrow('/tmp/map is not on a BPF file system')
    expect(map.pinPath).toBeUndefined()
    map.pin(bpffs('map'))
    expect(map.isPinned).toBe(true)
    map.unpin()
  })

  it('accepts another path after the map was unpinned', () => {
    using object = loadUnpinned()
    const map = object.map('private')
    map.pin(bpffs('map'))
    expect(thrownBy(() => map.pin(bpffs('other')))).toMatchObject({ code: 'EINVAL' })
    map.unpin()
    map.pin(bpffs('other'))
    expect([map.pinPath, map.isPinned, existsSync(bpffs('map'))]).toEqual([bpffs('other'), true, false])
    map.unpin()
  })

  it('keeps the pin path that was set before it failed', () => {
    using object = loadUnpinned()
    const map = object.map('private')
    using blocker = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    blocker.pin(bpffs('taken'))
    map.pinPath = bpffs('taken')
    expect(thrownBy(() => map.pin())).toMatchObject({ code: 'EEXIST' })
    expect(map.pinPath).toBe(bpffs('taken'))
    blocker.unpin(bpffs('taken'))
    map.pin()
    map.unpin()
  })
})

describe('BpfObject.pin', () => {
  const pinned = (): string[] => readdirSync(bpffs('object')).sort()

  it('fails the second time, and leaves the pins of the first time', () => {
    using object = loadUnpinned()
    object.pin(bpffs('object'))
    expect(thrownBy(() => object.pin(bpffs('object')))).toMatchObject({ code: 'EEXIST', object: 'pinned' })
    expect(pinned()).toEqual(['count', 'pass', 'private', 'shared'])
    object.unpin(bpffs('object'))
    expect(pinned()).toEqual([])
  })

  it('leaves the pins of pinMaps and pinPrograms when it fails', () => {
    using object = loadUnpinned()
    object.pinMaps(bpffs('object'))
    object.program('pass').pin(bpffs('object/pass'))
    expect(thrownBy(() => object.pin(bpffs('object')))).toMatchObject({ code: 'EEXIST' })
    expect(thrownBy(() => object.pinPrograms(bpffs('object')))).toMatchObject({ code: 'EEXIST' })
    expect(pinned()).toEqual(['pass', 'private', 'shared'])
    object.unpinMaps(bpffs('object'))
    object.program('pass').unpin(bpffs('object/pass'))
  })

  it('removes its own pins when it fails, and can be tried again elsewhere', () => {
    using object = loadUnpinned()
    using blocker = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    mkdirSync(bpffs('object'))
    blocker.pin(bpffs('object/pass'))
    expect(thrownBy(() => object.pin(bpffs('object')))).toMatchObject({ code: 'EEXIST' })
    expect(pinned()).toEqual(['pass'])
    expect([...object.maps.values()].map((map) => map.pinPath)).toEqual([undefined, undefined])
    object.pin(bpffs('elsewhere'))
    object.unpin(bpffs('elsewhere'))
    blocker.unpin(bpffs('object/pass'))
  })
})

describe('Program.pin', () => {
  it('pins a program, and unpin removes the pin', () => {
    using object = loadUnpinned()
    const program = object.program('count')
    program.pin(bpffs('program'))
    expect(existsSync(bpffs('program'))).toBe(true)
    expect(thrownBy(() => program.pin(bpffs('program')))).toMatchObject({
      code: 'EEXIST',
      program: 'count',
      target: bpffs('program'),
    })
    // A program is not a map.
    expect(thrownBy(() => BpfMap.fromPin(bpffs('program')))).toMatchObject({ code: 'EINVAL' })
    program.unpin(bpffs('program'))
    expect(existsSync(bpffs('program'))).toBe(false)
    expect(thrownBy(() => program.unpin(bpffs('program')))).toMatchObject({ code: 'ENOENT' })
  })
})

describe('BpfObject.pin, pinMaps and pinPrograms', () => {
  it('pin maps and programs into one directory', () => {
    using object = loadUnpinned()
    object.pin(bpffs('object'))
    expect(readdirSync(bpffs('object')).sort()).toEqual(['count', 'pass', 'private', 'shared'])
    using map = BpfMap.fromPin(bpffs('object/shared'))
    expect(map.id).toBe(object.map('shared').id)
    object.unpin(bpffs('object'))
    // libbpf leaves the directory.
    expect(readdirSync(bpffs('object'))).toEqual([])
  })

  it('pin maps and programs into two directories', () => {
    using object = loadUnpinned()
    object.pinMaps(bpffs('maps'))
    object.pinPrograms(bpffs('programs'))
    expect(readdirSync(bpffs('maps')).sort()).toEqual(['private', 'shared'])
    expect(readdirSync(bpffs('programs')).sort()).toEqual(['count', 'pass'])
    object.unpinMaps(bpffs('maps'))
    object.unpinPrograms(bpffs('programs'))
    expect(readdirSync(bpffs('maps'))).toEqual([])
    expect(readdirSync(bpffs('programs'))).toEqual([])
  })

  it('pin only the maps that have a pin path if no path is given', () => {
    using object = loadUnpinned()
    object.map('private').pinPath = bpffs('here')
    object.pinMaps()
    expect(readdirSync(bpffs())).toEqual(['here'])
    object.unpinMaps()
  })

  it('leave nothing behind when one pin fails', () => {
    using blocker = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    using object = loadUnpinned()
    blocker.pin(bpffs('shared'))
    expect(thrownBy(() => object.pinMaps(bpffs()))).toMatchObject({ code: 'EEXIST', object: 'pinned' })
    expect(readdirSync(bpffs())).toEqual(['shared'])
    blocker.unpin(bpffs('shared'))
  })

  it('say that a directory is not on a BPF file system', () => {
    using object = loadUnpinned()
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-pin-'))
    expect(() => object.pin(folder)).toThrow(/is not on a BPF file system/)
    expect(readdirSync(folder)).toEqual([])
    rmdirSync(folder)
  })
})

describe('BpfMap.pin before load', () => {
  it('says to load the object first', () => {
    using object = open('pinned')
    expect(() => object.map('private').pin(bpffs('x'))).toThrow('load the object first')
  })
})
