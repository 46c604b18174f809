import { readFileSync } from 'node:fs'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { thrownBy } from '../../helpers/objects.js'
import { load } from './run.js'

interface Item {
  value: bigint
  next: Item | null
}

interface Shared {
  count: bigint
  first: Item | null
  items: Item[]
  used: number
  small: number
  name: string
  flag: boolean
  port: number
  at: { x: number; y: number }
  buckets: (Item | null)[]
}

const head = `
  interface Item { value: u64; next: ptr<Item> }
  interface Point { x: u32; y: u32 }
  interface Shared { count: u64; first: ptr<Item>; items: array<Item, 64>; used: u32; small: s8; name: char<16>; flag: boolean; port: be16; at: Point; buckets: array<ptr<Item>, 8> }
  export const shared = arena<Shared>(8)`

const syscall = (name: string, body: string): string =>
  `export const ${name} = syscall(() => { ${body}; return 0 })`

/** Loads syscall programs by their names, and a TC program p. */
function start(programs: Record<string, string>, more = '', p = 'return TC.PASS') {
  const text = Object.entries(programs).map(([name, body]) => syscall(name, body))
  const { object } = load([head, more, ...text, `export const p = tc((packet) => { ${p} })`].join('\n'))
  const arena = object.arena as unknown as Shared
  const run = (name: string): number =>
    object.program(name).testRunSync(name === 'p' ? { data: new Uint8Array(64) } : {}).retval
  return { object, arena, run }
}

function* list(first: Item | null): Generator<number> {
  for (let item = first; item !== null; item = item.next) yield Number(item.value)
}

const build = `
  for (const i of range(5)) {
    const item = shared.items[i]
    item.value = i
    item.next = shared.first
    shared.first = item
  }`

describe('an arena', () => {
  requiresKernel('6.9', 'has numbers, text and structs that Node.js and programs read and write', () => {
    const { object, arena, run } = start({
      change: `
        shared.count += 40
        shared.used = shared.used + 1
        shared.small -= 3
        shared.name = bpf.getCurrentComm()
        shared.flag = !shared.flag
        shared.port = 8080
        shared.items[shared.used] = { value: 9, next: null }`,
      read: "if (shared.name === 'other' && shared.small === -1 && shared.items[2].value === 7) return shared.port",
    })
    using _ = object
    expect(run('change')).toBe(0)
    expect(arena).toMatchObject({ count: 40n, used: 1, small: -3, flag: true, port: 0x901f })
    expect(arena.name).toBe(readFileSync('/proc/thread-self/comm', 'utf8').trim())
    expect(arena.items[1]).toEqual({ value: 9n, next: null })
    Object.assign(arena, { name: 'other', small: -1 })
    arena.items[2] = { value: 7n, next: null }
    expect(run('read')).toBe(8080)
    arena.items[3] = { value: 1n, next: arena.items[2] }
    expect([arena.items[3]!.next!.value, arena.items.findLastIndex(({ next }) => next !== null)]).toEqual([
      7n,
      3,
    ])
    arena.items.reverse()
    expect([arena.items[60]!.value, arena.items[60]!.next!.value]).toEqual([1n, arena.items[2]!.value])
  })

  requiresKernel('6.9', 'has lists that the kernel builds and Node.js follows, and the reverse', () => {
    const { object, arena, run } = start({
      build,
      reverse: `
        let done: ptr<Item> = null
        let rest = shared.first
        while (rest) {
          const next = rest.next
          rest.next = done
          done = rest
          rest = next
        }
        shared.first = done`,
      sum: `
        let sum: u64 = 0
        for (let item = shared.first; item; item = item.next) sum += item.value
        shared.count = sum`,
      third: `
        let item = shared.first
        for (let i: u32 = 0; i < 2 && item; i++) item = item.next
        shared.count = item?.value ?? 99`,
    })
    using _ = object
    expect(arena.first).toBeNull()
    run('build')
    expect([...list(arena.first)]).toEqual([4, 3, 2, 1, 0])
    run('third')
    expect(arena.count).toBe(2n)
    run('reverse')
    expect([...list(arena.first)]).toEqual([0, 1, 2, 3, 4])
    // Node.js takes one out, and puts another one in front.
    arena.first!.next = arena.items[2]!
    arena.items[9]!.value = 100n
    arena.items[9]!.next = arena.first
    arena.first = arena.items[9]!
    expect([...list(arena.first)]).toEqual([100, 0, 2, 3, 4])
    run('sum')
    expect(arena.count).toBe(109n)
    arena.first = null
    run('sum')
    expect(arena.count).toBe(0n)
    run('third')
    expect(arena.count).toBe(99n)
    expect(thrownBy(() => Object.assign(arena, { first: { value: 1n, next: null } }))).toEqual(
      new TypeError('shared.first has to be null, or a struct Item of this arena'),
    )
    expect(thrownBy(() => Object.assign(arena, { first: arena }))).toBeInstanceOf(TypeError)
  })

  requiresKernel('6.9', 'has tables of pointers', () => {
    const { object, arena, run } = start({
      put: `
        for (const i of range(20)) {
          const item = shared.items[i]
          item.value = i
          item.next = shared.buckets[i % 7]
          shared.buckets[i % 7] = item
        }`,
      find: `
        let item = shared.buckets[shared.used]
        while (item && item.value !== 4) item = item.next
        shared.count = item ? 1 : 0`,
    })
    using _ = object
    run('put')
    expect(arena.buckets.map((item) => [...list(item)])).toEqual([
      [14, 7, 0],
      [15, 8, 1],
      [16, 9, 2],
      [17, 10, 3],
      [18, 11, 4],
      [19, 12, 5],
      [13, 6],
      [],
    ])
    arena.used = 4
    run('find')
    expect(arena.count).toBe(1n)
    arena.buckets[4] = arena.buckets[5]!
    run('find')
    expect([arena.count, arena.buckets[4]!.value]).toEqual([0n, 19n])
  })

  requiresKernel('6.9', 'has pages that programs take and give back', () => {
    const { object, arena, run } = start(
      {
        grow: `
          const chunk = shared.alloc<array<Item, 300>>()
          if (!chunk) return 1
          for (const i of range(300)) {
            const item = chunk[i]
            item.value = i
            item.next = shared.first
            shared.first = item
          }
          chunks.chunk = u64(chunk)`,
        shrink: `
          const one = shared.alloc<Item>()
          if (!one) return 1
          one.value = 5
          shared.free(one)`,
        all: 'for (const i of range(100)) { const page = shared.alloc<bytes<4096>>(); if (!page) return i }',
      },
      'interface Chunks { chunk: u64 }\nexport let chunks = bss<Chunks>()',
    )
    using _ = object
    expect(run('grow')).toBe(0)
    expect([...list(arena.first)]).toEqual(Array.from({ length: 300 }, (_, i) => 299 - i))
    // Where it is in this process.
    const { chunk } = object.bss.chunks as { chunk: bigint }
    using memory = object.map('shared').mmapArena()
    const at = memory.address
    expect(chunk >= at && chunk < at + BigInt(memory.size)).toBe(true)
    expect(memory.read(Number(chunk - at) + 16, 8)).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
    for (let i = 0; i < 20; i++) expect(run('shrink')).toBe(0)
    // One page is the struct, two are the chunk.
    expect(run('all')).toBe(5)
    expect(run('shrink')).toBe(1)
  })

  requiresKernel('7.0', 'has pages that programs take which do not sleep', () => {
    const { object, arena, run } = start(
      {},
      '',
      'const item = shared.alloc<Item>(); if (!item) return 1; item.value = 3; shared.first = item; return 0',
    )
    using _ = object
    expect([run('p'), run('p'), arena.first!.value]).toEqual([0, 0, 3n])
  })

  requiresKernel('6.9', 'is used by programs that do not sleep, by functions and together with maps', () => {
    const { object, arena, run } = start(
      { build },
      `export const seen = hash<Point, Point>(8)
      export const events = ringbuf<Point>(4096)
      function last(item: Item): u64 {
        let at: ptr<Item> = item
        let value: u64 = 0
        let rounds: u64 = 0
        while (at) {
          value = at.value
          at = at.next
          rounds += 1
        }
        return value * 100 + rounds
      }`,
      `const first = shared.first
       if (!first) return 1
       const second = first.next
       if (!second) return 2
       shared.count = last(first) + last(second) + last(shared.items[7]) - 1
       const copy: Item = second
       shared.at = { x: 3, y: 4 }
       seen.set(shared.at, shared.at)
       const found = seen.get({ x: 3, y: 4 })
       if (!found) return 3
       second.value = found.y + 9
       shared.at = found
       events.emit(shared.at)
       const again = copy.next
       return again ? u32(again.value) : 4`,
    )
    using _ = object
    using events = object.ringBuffer('events', 'Point')
    expect(run('p')).toBe(1)
    run('build')
    // What was written last is 0; the first list has 5, the second 4.
    expect(run('p')).toBe(2)
    expect(arena.count).toBe(9n)
    expect([...list(arena.first)]).toEqual([4, 13, 2, 1, 0])
    const seen: number[] = []
    events.drain((view, offset) => seen.push(view.getUint32(offset, true), view.getUint32(offset + 4, true)))
    events.consume()
    expect(seen).toEqual([3, 4])
  })
})

describe('an arena in the emulator', () => {
  requiresKernel('6.9', 'has its struct, and pages that programs take and give back', () => {
    const { object } = compile(`${head}
      ${syscall('build', build)}
      ${syscall('sum', 'let sum: u64 = 0; for (let item = shared.first; item; item = item.next) sum += item.value; shared.count = sum')}
      ${syscall(
        'take',
        `const items = shared.alloc<array<Item, 512>>()
         if (!items) return 1
         items[511].value = 100
         items[511].next = shared.first
         shared.first = items[511]`,
      )}
      ${syscall('giveBack', 'const page = shared.alloc<Item>(); if (!page) return 1; shared.free(page)')}
      ${syscall('wrong', 'const page = shared.alloc<Item>(); if (!page) return 1; shared.first = page; shared.free(page)')}
      export const license = 'GPL'`)
    const emulator = Emulator.open(object)
    const run = (name: string): number => emulator.program(name).run({}).retval
    expect([run('build'), run('take'), run('sum')]).toEqual([0, 0, 0])
    const { count, items } = emulator.get<{ count: bigint; items: { value: bigint }[] }>('shared')
    expect([count, items[4]!.value]).toEqual([110n, 4n])
    for (let i = 0; i < 20; i++) expect(run('giveBack')).toBe(0)
    // One page is the struct, and two were taken each time.
    expect([run('take'), run('take'), run('take')]).toEqual([0, 0, 1])
    expect(run('wrong')).toBe(0)
    expect(() => run('sum')).toThrow('was released')
  })
})
