import { inspect } from 'node:util'
import { type BpfMap, BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { objectPath, thrownBy } from '../helpers/objects.js'

interface Limit {
  low: number
  high: number
}
interface Settings {
  level: number
  limit: Limit
  deep: bigint
  on: number
  mode: number
  shift: number
  word: number
  bytes: Uint8Array
  limits: Limit[]
  name: string
  grid: number[][]
}
interface Shape {
  maps: { '.data.histogram': BpfMap; '.data.text': BpfMap; '.bss.limits': BpfMap }
  rodata: { fixed: Settings; buckets: number }
  data: { settings: Settings }
  kconfig: { LINUX_KERNEL_VERSION: number }
  sections: {
    '.data.histogram': { count: number; histogram: bigint[] }
    '.data.text': { text: string }
    '.bss.limits': { limits: Limit[] }
  }
}

const path = objectPath('globals-live')
const open = () => BpfObject.open<Shape>(path)
const packet = { data: new Uint8Array(64) }

function load(): BpfObject<Shape> {
  const object = open()
  object.loadSync()
  return object
}

const initial = {
  level: 3,
  limit: { low: 1, high: 2 },
  deep: 4n,
  on: 1,
  mode: 9,
  shift: -5,
  word: 0x04030201,
  bytes: new Uint8Array([1, 2, 3, 4]),
  limits: [
    { low: 1, high: 10 },
    { low: 2, high: 20 },
    { low: 3, high: 30 },
  ],
  name: 'abc',
  grid: [
    [1, 2, 3],
    [-4, -5, -6],
  ],
}

describe.each([
  ['before load', open],
  ['after load', load],
])('a struct %s', (_, make) => {
  it('has the initial values from C', () => {
    using object = make()
    expect(object.data.settings).toEqual(initial)
  })

  it('writes a member at any depth, and nothing else', () => {
    using object = make()
    const { settings } = object.data
    settings.limit.high = 7
    settings.limits[2]!.low = 8
    settings.grid[1]![1] = 9
    settings.deep = 10n
    settings.name = 'xyz'
    expect(object.data.settings).toEqual({
      ...initial,
      limit: { low: 1, high: 7 },
      limits: [initial.limits[0], initial.limits[1], { low: 8, high: 30 }],
      grid: [
        [1, 2, 3],
        [-4, 9, -6],
      ],
      deep: 10n,
      name: 'xyz',
    })
  })

  it('is assigned as a whole even if a getter in the value assigns it, too', () => {
    using object = make()
    const outer = {
      ...initial,
      get limit() {
        object.data.settings = { ...initial, level: 77, deep: 77n }
        expect(object.data.settings.level).toBe(77)
        return { low: 5, high: 6 }
      },
    }
    object.data.settings = outer
    expect(object.data.settings).toEqual({ ...initial, limit: { low: 5, high: 6 } })
    const { limits } = object.data.settings
    limits[0] = {
      get low() {
        limits[1] = { low: 8, high: 9 }
        return 7
      },
      high: 10,
    }
    expect(limits).toEqual([
      { low: 7, high: 10 },
      { low: 8, high: 9 },
      { low: 3, high: 30 },
    ])
  })

  it('has arrays of structs that can be reversed and sorted in place', () => {
    using object = make()
    const { limits } = object.data.settings
    limits.reverse()
    expect(limits.map(({ low }) => low)).toEqual([3, 2, 1])
    limits.sort((a, b) => a.high - b.high)
    expect(limits).toEqual(initial.limits)
    object.data.settings.grid.reverse()
    expect(object.data.settings.grid).toEqual([...initial.grid].reverse())
  })

  it('keeps the bits next to a bitfield', () => {
    using object = make()
    const { settings } = object.data
    settings.mode = 31
    expect([settings.on, settings.mode, settings.shift]).toEqual([1, 31, -5])
    settings.shift = -512
    settings.on = 0
    expect([settings.on, settings.mode, settings.shift]).toEqual([0, 31, -512])
  })

  it('shares the bytes between the members of a union', () => {
    using object = make()
    const { settings } = object.data
    settings.word = 0x0a0b0c0d
    expect([...settings.bytes]).toEqual([0x0d, 0x0c, 0x0b, 0x0a])
    settings.bytes = new Uint8Array([1, 0, 0, 0])
    expect(settings.word).toBe(1)
  })

  it('can be assigned as a whole, also from itself or a part of itself', () => {
    using object = make()
    object.data.settings.limit = { low: 5, high: 6 }
    object.data.settings.limits = [...object.data.settings.limits].reverse()
    object.data.settings.limits[0] = object.data.settings.limit
    expect(object.data.settings.limits).toEqual([
      { low: 5, high: 6 },
      { low: 2, high: 20 },
      { low: 1, high: 10 },
    ])
  })

  it('refuses values that do not fit, and stays unchanged', () => {
    using object = make()
    const { settings } = object.data
    for (const [attempt, message] of [
      [
        () => {
          settings.limit.low = 70000
        },
        'settings.limit.low: 70000 does not fit u16',
      ],
      [
        () => {
          settings.limits[1]!.high = -1
        },
        'settings.limits[1].high: -1 does not fit u32',
      ],
      [
        () => {
          settings.grid[0]![2] = 40000
        },
        'settings.grid[0][2]: 40000 does not fit s16',
      ],
      [
        () => {
          settings.mode = 32
        },
        'settings.mode: 32 does not fit 5 bits',
      ],
      [
        () => {
          settings.limits[3] = { low: 0, high: 0 }
        },
        'settings.limits[3]: there are 3 items',
      ],
      [
        () => {
          settings.limits = []
        },
        'settings.limits: has 0 items, but 3 are required',
      ],
      [
        () => {
          settings.limits.push({ low: 0, high: 0 })
        },
        'there are 3 items',
      ],
      [
        () => {
          settings.limit = { low: 1 } as Limit
        },
        'settings.limit.high: missing',
      ],
      [
        () => {
          settings.name = 'longer than eight'
        },
        'settings.name: a string of 17 bytes',
      ],
    ] as const) {
      expect(attempt).toThrow(message)
    }
    expect(settings).toEqual(initial)
  })

  it('refuses new members, and members cannot be deleted', () => {
    using object = make()
    const { settings } = object.data
    expect(() => Object.assign(settings, { nothing: 1 })).toThrow(TypeError)
    expect(() => Reflect.deleteProperty(settings, 'level') || Promise.reject).not.toThrow()
    expect(Reflect.deleteProperty(settings, 'level')).toBe(false)
    expect(Reflect.deleteProperty(settings.limits, '0')).toBe(false)
    expect(() => {
      settings.limits.length = 0
    }).toThrow(TypeError)
    expect(settings).toEqual(initial)
  })
})

describe('live global variables', () => {
  it('are shared with the programs', async () => {
    using object = open()
    object.rodata.fixed.level = 100
    await object.load()
    const { settings } = object.data
    const { limit, limits } = settings
    object.program('run').testRunSync(packet)
    expect([limit.high, limits[1]!.low]).toEqual([102, 3])
    limit.high = 1000
    object.program('run').testRunSync(packet)
    expect(limit.high).toBe(1100)
  })

  it('are read-only in .rodata after load, at any depth', () => {
    using object = load()
    const { fixed } = object.rodata
    expect(fixed.level).toBe(1)
    for (const attempt of [
      () => {
        fixed.limit.high = 1
      },
      () => {
        fixed.limits[0]!.low = 1
      },
      () => {
        fixed.grid = initial.grid
      },
    ]) {
      const error = thrownBy(attempt)
      expect(error).toMatchObject({ code: 'ERR_BPF_STATE' })
      expect((error as Error).message).toContain(
        '.rodata is read-only once the object is loaded; set fixed before',
      )
    }
  })

  it('are always read-only in .kconfig', () => {
    using object = open()
    expect(() => {
      object.kconfig.LINUX_KERNEL_VERSION = 1
    }).toThrow(".kconfig is read-only: its values come from the kernel and from the option 'kconfig'")
    object.loadSync()
    expect(object.kconfig.LINUX_KERNEL_VERSION).toBeGreaterThan(0)
  })

  it('behave like arrays', () => {
    using object = open()
    const { limits, grid } = object.data.settings
    expect(Array.isArray(limits)).toBe(true)
    expect(limits.length).toBe(3)
    expect(Object.keys(limits)).toEqual(['0', '1', '2'])
    expect(2 in limits && !(3 in limits)).toBe(true)
    expect(limits[3]).toBeUndefined()
    expect(limits.map(({ low }) => low)).toEqual([1, 2, 3])
    expect(grid.flat().filter((x) => x < 0)).toEqual([-4, -5, -6])
    expect(JSON.stringify(limits[0])).toBe('{"low":1,"high":10}')
    grid[0]!.fill(5)
    expect(grid[0]).toEqual([5, 5, 5])
  })

  it('show their values when they are printed', () => {
    using object = open()
    expect(inspect(object.data.settings.limits)).toBe(
      '[ { low: 1, high: 10 }, { low: 2, high: 20 }, { low: 3, high: 30 } ]',
    )
    expect(inspect(object.globals('.data.text'))).toBe("{ text: 'abc' }")
  })

  it('return the same object each time', () => {
    using object = open()
    expect(object.data.settings).toBe(object.data.settings)
    expect(object.data.settings.limits).toBe(object.data.settings.limits)
  })
})

describe('the last array of a section', () => {
  it('grows with the value size of its map', () => {
    using object = open()
    const { histogram, count } = object.globals('.data.histogram')
    expect([histogram.length, count]).toEqual([1, 0])
    object.map('.data.histogram').valueSize = 8 + 1000 * 8
    object.rodata.buckets = 1000
    const variables = object.globals('.data.histogram')
    expect(variables.histogram.length).toBe(1000)
    variables.histogram[999] = 5n
    variables.count = 1000
    expect(() => {
      variables.histogram[1000] = 1n
    }).toThrow('histogram[1000]: there are 1000 items')
    object.loadSync()
    object.program('run').testRunSync(packet)
    expect(variables.histogram[999]).toBe(6n)
    expect(variables.histogram.findIndex((bucket) => bucket > 0n)).toBe(999)
  })

  it('can be text or structs, and keeps its content when it grows', () => {
    using object = open()
    object.map('.data.text').valueSize = 64
    object.map('.bss.limits').valueSize = 10 * 8
    const text = object.globals('.data.text')
    expect(text.text).toBe('abc')
    text.text = 'as long as that'
    const { limits } = object.globals('.bss.limits')
    expect(limits.length).toBe(10)
    limits[9] = { low: 1, high: 2 }
    object.loadSync()
    expect(text.text).toBe('as long as that')
    expect(object.globals('.bss.limits').limits[9]).toEqual({ low: 1, high: 2 })
  })
})
