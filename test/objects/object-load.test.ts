import { BpfError, type BpfObject, ids } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

describe('BpfObject.load', () => {
  it('does not block the event loop while the verifier works', async () => {
    using object = open('slow')
    let ticks = 0
    let loading = true
    const timer = setInterval(() => {
      if (loading) ticks++
    }, 1)
    await object.load()
    loading = false
    clearInterval(timer)
    // The verifier needs more than 100 ms for it.
    expect(ticks).toBeGreaterThan(10)
  })

  it('blocks the event loop in its loadSync form', () => {
    using object = open('slow')
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    object.loadSync()
    clearInterval(timer)
    expect(ticks).toBe(0)
    expect(object.loaded).toBe(true)
  })

  it('loads several objects at the same time', async () => {
    using first = open('slow')
    using second = open('programs')
    using third = open('maps')
    await Promise.all([first.load(), second.load(), third.load()])
    expect([first.loaded, second.loaded, third.loaded]).toEqual([true, true, true])
  })

  it('refuses everything else with ERR_BPF_BUSY until it is done', async () => {
    using object = open('slow')
    const program = object.program('slow')
    const map = object.map('.bss')
    const loading = object.load()
    for (const busy of [
      () => object.loadSync(),
      () => object.attach(),
      () => object.bss.table,
      () => program.type,
      () => program.info(),
      () => map.fd,
      () => map.set(new Uint8Array(4), new Uint8Array(256)),
    ]) {
      expect(thrownBy(busy)).toMatchObject({ code: 'ERR_BPF_BUSY' })
    }
    await loading
    expect(program.type).toBe('sched_cls')
  })

  it.each([
    ['load', (object: BpfObject) => object.load()],
    ['loadSync', async (object: BpfObject) => object.loadSync()],
    ['prepare', (object: BpfObject) => object.prepare()],
    ['prepareSync', async (object: BpfObject) => object.prepareSync()],
  ])('works once: afterwards %s says that the object is already loaded', async (_, again) => {
    using object = load('maps')
    await expect(again(object)).rejects.toThrow("object 'maps': it is already loaded")
    await expect(again(object)).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
  })

  it('is required by methods that need a loaded object', () => {
    using object = open('ring')
    for (const early of [
      () => object.attach(),
      () => object.ringBuffer('events'),
      () => object.pin('/nowhere'),
      () => object.pinMaps('/nowhere'),
      () => object.unpinPrograms('/nowhere'),
    ]) {
      const error = thrownBy(early)
      expect(error).toBeInstanceOf(BpfError)
      expect(error).toMatchObject({ code: 'ERR_BPF_STATE', object: 'ring' })
      expect((error as Error).message).toMatch(/it is not loaded yet$/)
    }
    const program = object.program('emit')
    expect(() => program.fd).toThrow("program 'emit' is not in the kernel: load the object first")
    expect(() => program.info()).toThrow('load the object first')
    expect(() => program.testRunSync()).toThrow('load the object first')
    expect(() => program.attach()).toThrow('load the object first')
    const map = object.map('not_a_ring')
    expect(() => map.fd).toThrow("map 'not_a_ring' is not in the kernel: load the object first")
    expect(() => map.info()).toThrow('load the object first')
    expect(() => (map as typeof map & { get(key: unknown): unknown }).get(0)).toThrow('load the object first')
    expect(() => map.freeze()).toThrow('load the object first')
  })

  it('skips programs whose section begins with ? or whose autoload is off', () => {
    using object = open('programs')
    expect(object.program('on_exit').autoload).toBe(false)
    expect(object.program('on_exec').autoload).toBe(true)
    object.program('on_exec').autoload = false
    object.program('on_exit').autoload = true
    object.loadSync()
    expect(object.program('on_exec').loaded).toBe(false)
    expect(object.program('on_exit').loaded).toBe(true)
    expect(() => object.program('on_exec').fd).toThrow('with autoload on')
  })

  it('skips maps whose autocreate is off', () => {
    using object = open('maps')
    object.map('points').autocreate = false
    object.loadSync()
    expect(object.map('numbers').info().type).toBe('array')
    expect(() => object.map('points').fd).toThrow("map 'points' is not in the kernel")
  })
})

describe('BpfObject.prepare', () => {
  it.each([
    ['prepare', (object: BpfObject) => object.prepare()],
    ['prepareSync', async (object: BpfObject) => object.prepareSync()],
  ])('%s makes the maps, and load the programs then', async (_, prepare) => {
    using object = open('pinned')
    object.map('shared').pinPath = undefined
    await prepare(object)
    expect(object.loaded).toBe(false)
    const map = object.map<number, bigint>('private')
    expect(map.set(0, 41n).get(0)).toBe(41n)
    expect(object.program('count').loaded).toBe(false)
    expect(() => object.attach()).toThrow('it is prepared, but not loaded yet')
    await expect(prepare(object)).rejects.toMatchObject({ code: 'ERR_BPF_STATE' })
    await object.load()
    object.program('count').testRunSync({ data: new Uint8Array(64) })
    expect(map.get(0)).toBe(42n)
  })

  it('makes setters throw', () => {
    using object = open('maps')
    object.prepareSync()
    expect(
      thrownBy(() => {
        object.map('points').maxEntries = 99
      }),
    ).toMatchObject({ code: 'EBUSY' })
  })
})

describe('BpfObject.attach', () => {
  useTracefs()

  it('attaches the programs whose SEC() names a hook, and returns the links', () => {
    using object = open('programs')
    object.program('on_exit').autoload = true
    object.program('nowhere').autoload = true
    object.loadSync()
    const links = object.attach()
    expect(links.map((link) => link.program)).toEqual(['on_exec', 'on_exit'])
    expect(object.links).toEqual(new Set(links))
  })

  it('skips programs that are not loaded or whose autoattach is off', () => {
    using object = open('links')
    object.program('raw_tracepoint').autoattach = false
    object.program('tracepoint').autoload = false
    object.loadSync()
    expect(object.attach().map((link) => link.program)).toEqual(['tracing', 'says_one', 'says_two'])
  })

  // Earlier kernels attach a program to a raw tracepoint only once.
  requiresKernel('6.10', 'detaches the first programs when a later one fails', async () => {
    using object = open('links')
    object.program('no_such_tracepoint').autoload = true
    object.loadSync()
    const kept = object.program('raw_tracepoint').attach()
    const linksBefore = [...ids('link')]
    expect(thrownBy(() => object.attach())).toMatchObject({ program: 'no_such_tracepoint' })
    expect([...object.links]).toEqual([kept])
    await until('the links are gone', () => [...ids('link')].length === linksBefore.length)
  })

  it('is undone by close', () => {
    const object = load('links')
    object.program('tracepoint').autoattach = false
    const links = [object.program('raw_tracepoint').attach(), object.program('tracing').attach()]
    object.close()
    expect(links.map((link) => link.closed)).toEqual([true, true])
  })
})
