import { describe, expect, it } from 'vitest'
import { load, open, thrownBy } from '../helpers/objects.js'

const packet = { data: new Uint8Array(64) }

describe('global variables before load', () => {
  it('have the initial values from C', () => {
    using object = open('globals')
    expect(object.rodata).toEqual({
      number: 7,
      negative: -3n,
      enabled: false,
      comm: 'none',
      limits: { low: 1, high: 2n, name: 'ab' },
      mode: 5,
    })
    expect(object.data).toEqual({ counter: 100n, last: { low: 10, high: 20n, name: 'cd' } })
    expect(object.bss).toEqual({ sum: 0, list: [0, 0, 0, 0], bytes: new Uint8Array(4) })
    expect(object.globals('.data.custom')).toEqual({ custom: 5 })
  })

  it('are seen by programs when they were set', () => {
    using object = open('globals')
    object.rodata.number = 1000
    object.rodata.negative = -1n
    object.rodata.enabled = true
    object.rodata.comm = 'A name of 15 by'
    object.rodata.limits = { low: 3, high: 0xffff_ffff_ffff_ffffn, name: 'xy' }
    object.rodata.mode = 0
    object.data.counter = 2n ** 63n
    object.bss.list = [0, 20, 0, 0]
    object.globals('.data.custom').custom = 300
    object.loadSync()
    object.program('calculate').testRunSync(packet)
    expect(object.bss.sum).toBe(1000 - 1 + 20 + 300)
    expect(object.data.counter).toBe(2n ** 63n + 1n)
    expect(object.data.last).toEqual({ low: 0, high: 0xffff_ffff_ffff_ffffn, name: 'cd' })
    expect((object.bss.bytes as Uint8Array)[3]).toBe('A'.charCodeAt(0))
    expect((object.bss.list as number[])[2]).toBe(object.kconfig.LINUX_KERNEL_VERSION)
  })

  it('read and write the bytes of the section', () => {
    using object = open('globals')
    object.rodata.number = 0x04030201
    const section = object.types.get('.rodata', 'datasec')
    const at = section.variables.find(({ typeId }) => {
      const variable = object.types.resolve(typeId)
      return variable.kind === 'var' && variable.name === 'number'
    })!.offset
    const bytes = object.map('.rodata').initialValue!
    expect([...bytes.subarray(at, at + 4)]).toEqual([1, 2, 3, 4])
  })
})

describe('global variables after load', () => {
  it('are shared with the programs in both directions', () => {
    using object = load('globals')
    const { data, bss } = object
    const calculate = object.program('calculate')
    calculate.testRunSync(packet)
    calculate.testRunSync(packet)
    expect(data.counter).toBe(102n)
    data.counter = 7n
    bss.list = [0, 1, 0, 0]
    object.globals('.data.custom').custom = 50
    const { retval } = calculate.testRunSync(packet)
    expect(data.counter).toBe(8n)
    expect(retval).toBe(7 - 3 + 1 + 50)
    expect(bss.sum).toBe(retval)
  })

  it('are read-only in .rodata, and the error says to set them before load', () => {
    using object = load('globals')
    const error = thrownBy(() => {
      object.rodata.number = 8
    })
    expect(error).toMatchObject({ code: 'ERR_BPF_STATE', object: 'globals' })
    expect((error as Error).message).toContain(
      '.rodata is read-only once the object is loaded; set number before',
    )
    expect(object.rodata.number).toBe(7)
  })

  it('have the configuration of the kernel, and cannot change it', () => {
    using object = load('globals')
    expect(object.kconfig.LINUX_KERNEL_VERSION).toBeGreaterThan(0x050000)
    expect(() => {
      object.kconfig.CONFIG_LIBBPF_NODE = 1
    }).toThrow('.kconfig is read-only')
  })

  it('are also the entry of the map', () => {
    using object = load('globals')
    object.globals('.data.custom').custom = 0x01020304
    expect([...object.map('.data.custom').get(new Uint8Array(4))!]).toEqual([4, 3, 2, 1])
  })
})

describe('global variables', () => {
  it('refuse values that do not fit, and stay unchanged', () => {
    using object = open('globals')
    for (const [name, value, message] of [
      ['number', 2 ** 32, /number: 4294967296 does not fit u32/],
      ['number', '7', /number/],
      ['enabled', 1, /enabled/],
      ['comm', 'more than fifteen characters', /comm/],
      ['limits', { low: 1 }, /limits/],
    ] as const) {
      expect(() => {
        object.rodata[name] = value
      }).toThrow(message)
    }
    expect(object.rodata.number).toBe(7)
    expect(object.rodata.comm).toBe('none')
  })

  it('throw an error for an unknown name', () => {
    using object = open('globals')
    expect(() => {
      object.rodata.nothing = 1
    }).toThrow(TypeError)
    expect(object.rodata.nothing).toBeUndefined()
  })

  it('return the same object each time', () => {
    using object = open('globals')
    expect(object.bss).toBe(object.bss)
    expect(object.globals('.bss')).toBe(object.bss)
  })

  it('throw an error that names a missing section', () => {
    using object = open('pinned')
    expect(() => object.rodata).toThrow("object 'pinned' has no map '.rodata'")
  })
})
