// The native functions without lib/ in front of them, called in ways in which lib/ never calls them.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { Binding, MapHandle, ObjectHandle } from '../../types/binding.js'
import { BtfWriter } from '../btf/helper.js'
import { type ChildOptions, runChild } from '../helpers/child.js'
import { objectPath, thrownBy } from '../helpers/objects.js'

const native: Binding = createRequire(import.meta.url)('node-gyp-build')(
  fileURLToPath(new URL('../..', import.meta.url)),
)

const runScript = (name: string, args: string[], options?: ChildOptions) =>
  runChild(`await import(${JSON.stringify(new URL(`lifecycle/${name}`, import.meta.url))})`, args, options)

const opened: ObjectHandle[] = []
function open(name: string): ObjectHandle {
  const none = undefined
  const object = native.objectOpen(objectPath(name), none, none, none, none, none, false, 0, 0)
  opened.push(object)
  return object
}
function mapOf(object: ObjectHandle, name: string): MapHandle {
  const map = native.objectMaps(object).find((map) => native.mapName(map) === name)
  if (map === undefined) throw new Error(`no map ${name}`)
  return map
}
afterEach(() => {
  for (const object of opened.splice(0)) native.objectClose(object)
})

const codeOf = (call: () => unknown): unknown => (thrownBy(call) as { code?: string }).code

describe('native functions that take handles', () => {
  it('throw a TypeError for a handle of another kind, or something else', () => {
    const object = open('maps')
    for (const wrong of [object, undefined, null, 5, {}, Object.create(null), () => {}, 'x']) {
      expect(() => native.mapName(wrong as never)).toThrow(
        /^native argument 0 is not a handle of the right kind$/,
      )
    }
    expect(() => native.objectName(mapOf(object, 'points') as never)).toThrow(TypeError)
  })

  it('throw ERR_BPF_CLOSED after the object was closed, also for its maps', () => {
    const object = open('maps')
    const map = mapOf(object, 'points')
    native.objectClose(object)
    native.objectClose(object)
    expect(codeOf(() => native.objectName(object))).toBe('ERR_BPF_CLOSED')
    expect(codeOf(() => native.mapName(map))).toBe('ERR_BPF_CLOSED')
  })

  it('throw ERR_BPF_BUSY while the object loads on another thread', async () => {
    const object = open('maps')
    const map = mapOf(object, 'points')
    const loading = native.objectLoad(object)
    expect(codeOf(() => native.objectName(object))).toBe('ERR_BPF_BUSY')
    expect(codeOf(() => native.objectLoadSync(object))).toBe('ERR_BPF_BUSY')
    expect(codeOf(() => native.mapSetMaxEntries(map, 5))).toBe('ERR_BPF_BUSY')
    await loading
    expect(native.mapFd(map)).toBeGreaterThan(0)
  })

  it('read, but do not write, the memory of an object that failed to load', () => {
    // The first maps are created, and .rodata is mapped read-only, before the last map fails.
    const object = open('globals')
    const maps = native.objectMaps(object)
    const rodata = maps.find((map) => native.mapName(map).endsWith('.rodata')) as MapHandle
    native.mapSetFlags(maps.at(-1) as MapHandle, 2 ** 32 - 1)
    expect(() => native.objectLoadSync(object)).toThrow()
    expect(codeOf(() => native.objectLoadSync(object))).toBe('ERR_BPF_STATE')
    const bytes = native.mapInitialValue(rodata) ?? new Uint8Array(0)
    expect(bytes.length).toBeGreaterThan(0)
    const tries = [
      () => native.mapSetInitialValue(rodata, bytes),
      () => native.mapSetFlags(rodata, 0),
      () => native.mapMemoryWrite(rodata, 0, bytes),
    ]
    for (const attempt of tries) expect(attempt).toThrow()
  })
})

describe('native functions that take numbers', () => {
  it('throw a TypeError if it is not an integer, and a RangeError if it is out of range', () => {
    const map = mapOf(open('maps'), 'points')
    for (const wrong of [1.5, Number.NaN, '1', 1n, undefined, null, {}]) {
      expect(() => native.mapSetMaxEntries(map, wrong as number), String(wrong)).toThrow(TypeError)
    }
    for (const wrong of [-1, 2 ** 32, 2 ** 64, Number.POSITIVE_INFINITY]) {
      expect(() => native.mapSetMaxEntries(map, wrong), String(wrong)).toThrow(RangeError)
    }
    expect(() => native.mapSetExtra(map, 2n ** 64n)).toThrow(RangeError)
    expect(() => native.mapSetExtra(map, -1n)).toThrow(RangeError)
    expect(native.mapMaxEntries(map)).toBe(16)
  })
})

describe('native functions that take buffers', () => {
  it('require keys and values of the sizes of the map', () => {
    const object = open('maps')
    native.objectLoadSync(object)
    const map = mapOf(object, 'points')
    const detached = new Uint8Array(4)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    for (const key of [new Uint8Array(3), new Uint8Array(5), detached]) {
      expect(() => native.mapBind(map, key, new Uint8Array(24))).toThrow(RangeError)
    }
    expect(() => native.mapBind(map, new Uint8Array(4), new Uint8Array(23))).toThrow(RangeError)
    expect(() => native.mapBind(map, new Int32Array(1) as never, new Uint8Array(24))).toThrow(TypeError)
    expect(codeOf(() => native.mapLookup(map, 0))).toBe('ERR_BPF_STATE')
  })

  it('need no flags for an entry, but check them if they are given', () => {
    const map = native.mapCreate(1, 'bound', 4, 8, 2, 0, 0n, 0, 0, 0, -1, 0, 0, -1, undefined, false)
    const [key, value] = [Uint8Array.of(1, 0, 0, 0), new Uint8Array(8).fill(7)]
    native.mapBind(map, key, value)
    expect(native.mapLookup(map)).toBe(false)
    expect(native.mapUpdate(map)).toBeUndefined()
    value.fill(0)
    expect(native.mapLookup(map)).toBeUndefined()
    expect(value).toEqual(new Uint8Array(8).fill(7))
    expect(thrownBy(() => native.mapUpdate(map, 1))).toMatchObject({ errno: 17 })
    for (const flags of [undefined, null, '1', 0.5, 1n]) {
      expect(() => native.mapUpdate(map, flags as never)).toThrow(TypeError)
    }
    expect(() => native.mapLookup(map, -1)).toThrow(RangeError)
    expect(native.mapDelete(map)).toBeUndefined()
    expect(native.mapDelete(map)).toBe(false)
    native.mapClose(map)
    expect(codeOf(() => native.mapLookup(map))).toBe('ERR_BPF_CLOSED')
  })

  it('never access memory beyond a section', () => {
    const object = open('globals')
    const map = native.objectMaps(object).find((map) => native.mapName(map).endsWith('.data')) as MapHandle
    const { length } = native.mapInitialValue(map) as Uint8Array
    expect(native.mapMemoryRead(map, 0, new Uint8Array(length))).toBe(true)
    expect(native.mapMemoryRead(map, length, new Uint8Array(0))).toBe(true)
    for (const [offset, size] of [
      [0, length + 1],
      [length, 1],
      [1, length],
      [2 ** 53 - 1, 1],
      [2 ** 32, 8],
    ] as const) {
      expect(() => native.mapMemoryRead(map, offset, new Uint8Array(size))).toThrow(RangeError)
      expect(() => native.mapMemoryWrite(map, offset, new Uint8Array(size))).toThrow(RangeError)
    }
  })
})

describe('BTF that would crash libbpf or make it loop', () => {
  /** BTF of types without names, given as `info` and `type` of each. */
  const btfOf = (...types: [info: number, type: number][]) => {
    const words = types.flatMap(([info, type]) => [0, info, type])
    const bytes = Uint32Array.of(0x1eb9f, 24, 0, 4 * words.length, 4 * words.length, 1, ...words, 0).buffer
    return new Uint8Array(bytes, 0, bytes.byteLength - 3)
  }
  const [pointer, constant, functionType] = [2 << 24, 10 << 24, 13 << 24]
  const opening = (bytes: Uint8Array) => thrownBy(() => native.btfNew(bytes, undefined))

  it('is refused if a function returns a type that does not exist', () => {
    native.btfClose(native.btfNew(btfOf([functionType, 0]), undefined))
    for (const type of [2, 1 << 16, 2 ** 32 - 1]) {
      expect(opening(btfOf([functionType, type]))).toMatchObject({ errno: 22 })
    }
  })

  it('is refused if types refer to themselves', () => {
    for (const info of [pointer, constant, functionType]) {
      expect(opening(btfOf([info, 1]))).toMatchObject({ errno: 22 })
      expect(opening(btfOf([pointer, 2], [info, 1]))).toMatchObject({ errno: 22 })
    }
  })

  it('is accepted if members have no size, and toC does not divide by it', () => {
    const make = (add: (btf: BtfWriter) => number): Uint8Array => {
      const btf = new BtfWriter()
      btf.record('struct', 's', 8, [['member', add(btf), 0]])
      return btf.bytes()
    }
    const members = [
      (btf: BtfWriter) => btf.array(btf.int('int', 4), 2),
      () => 0,
      (btf: BtfWriter) => btf.add('fwd', 'nothing', 0),
      (btf: BtfWriter) => btf.add('const', '', btf.array(btf.add('fwd', 'nothing', 0), 2)),
    ]
    for (const add of members) {
      const btf = native.btfNew(make(add), undefined)
      expect(native.btfToC(btf, undefined)).toContain('struct s {')
      native.btfClose(btf)
    }
  })

  it('is refused if there are thousands of pointers to pointers', () => {
    const chain = (length: number) =>
      btfOf(...Array.from({ length }, (_, i): [number, number] => [pointer, i]))
    const btf = native.btfNew(chain(100), undefined)
    native.btfToC(btf, undefined)
    native.btfClose(btf)
    expect(opening(chain(10_000))).toMatchObject({ errno: 22 })
  })
})

describe('random calls', () => {
  it.each([1, 2])(
    'never crash, with any arguments and in any order (seed %d)',
    async (seed) => {
      const { status, signal, stderr, stdout } = await runScript('fuzz.mjs', [`${seed}`, '1500'], {
        seconds: 60,
      })
      expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
      const { done, refused } = JSON.parse(stdout)
      expect(done).toBeGreaterThan(300)
      expect(refused).toBeGreaterThan(300)
    },
    70_000,
  )

  it.each(['maps', 'globals', 'programs'])('with damaged copies of %s.bpf.o never crash', async (name) => {
    const { status, signal, stderr, stdout } = await runScript(
      'damaged.mjs',
      [objectPath(name), '1', '300'],
      { seconds: 60 },
    )
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const { loaded, refused } = JSON.parse(stdout)
    expect(loaded).toBeGreaterThan(20)
    expect(refused).toBeGreaterThan(20)
  })
})
