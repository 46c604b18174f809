import { readFileSync } from 'node:fs'
import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../../helpers/kernel.js'
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
    expect(() => run('sum')).toThrow('was given back to the arena')
  })
})

/** The message without the line that is shown. */
function mistake(body: string, declarations = head, options: CompileOptions = {}, hook = 'tc'): string {
  try {
    compile(
      `${declarations}\nexport const p = ${hook}(() => { ${body} })\nexport const license = 'GPL'`,
      options,
    )
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

describe('a mistake with an arena', () => {
  it.each([
    [
      'shared.first.value = 1; return 0',
      'this may be null here | Give it a name first, and compare that: if (!value) return TC.PASS.',
    ],
    [
      'const first = shared.first; first.value = 1; return 0',
      "'first' may be null here | Compare it first: if (!first) return TC.PASS.",
    ],
    [
      'let item = shared.first; if (!item) return 0; item = item.next; item.value = 1; return 0',
      "'item' may be null here | Compare it first: if (!item) return TC.PASS.",
    ],
    [
      'let item = shared.first; if (!item) return 0; for (const i of range(9)) { item.value = 1; item = item.next } return 0',
      "'item' may be null here | Compare it first: if (!item) return TC.PASS.",
    ],
    [
      'shared.first = { value: 1, next: null }; return 0',
      'a ptr<Item> points into the arena, and this has no place there | Write it to a place in the arena, and point there.',
    ],
    [
      'const item: Item = { value: 1, next: null }; shared.first = item; return 0',
      'a ptr<Item> points into the arena, and this is a Item | Write it to a place in the arena, and point there.',
    ],
    ['shared.first = shared.count; return 0', 'a ptr<Item> is wanted here, and this points to a u64'],
    ['shared.first = shared.at; return 0', 'a ptr<Item> is wanted here, and this points to a Point'],
    [
      'shared.first = u64(bpf.getCurrentTask()); return 0',
      'a ptr<Item> points into the arena, and this is a number | Numbers, such as an address of the kernel, are kept in a u64.',
    ],
    [
      'shared.first = bpf.getCurrentTask(); return 0',
      "a ptr<Item> points into the arena, and this is a pointer to the kernel's struct task_struct | Numbers, such as an address of the kernel, are kept in a u64.",
    ],
    ['shared.first += 1; return 0', 'a ptr<Item> is not a number'],
    [
      'shared.count = shared.first; return 0',
      'a ptr<Item> is not a number | One of two pointers is chosen with let and if: let item = shared.first; if (!item) item = .... Its address is u64(shared.first).',
    ],
    ['shared.frist = null; return 0', "Shared has no member 'frist' | Did you mean 'first'?"],
    ['shared = null; return 0', "the map 'shared' cannot be assigned to"],
    [
      'bpf.getCurrentComm(shared.name, 16); return 0',
      "the kernel's functions do not use memory of the arena | Give them a variable of the function, and copy it to or from the arena.",
    ],
    [
      'bpf.probeReadKernel(shared.at, 8, 1); return 0',
      "the kernel's functions do not use memory of the arena | Give them a variable of the function, and copy it to or from the arena.",
    ],
    [
      'const c = shared.first; if (!c) return 0; bpf.skbLoadBytes(0, c, 16); return 0',
      "the kernel's functions do not use memory of the arena | Give them a variable of the function, and copy it to or from the arena.",
    ],
    ['shared.get(1); return 0', "arena has no function 'get' | It has alloc, free."],
    ['shared.items[64].value = 1; return 0', 'the array has 64 elements, 0 to 63'],
    [
      'kfunc.bpf_arena_alloc_pages(shared, 0, 1, -1, 0); return 0',
      "arenas have a word of their own for 'bpf_arena_alloc_pages' | Write shared.alloc<T>(), on the arena.",
    ],
  ])('%s', (body, expected) => {
    expect(mistake(body)).toBe(expected)
  })

  it.each([
    ['export const a = arena(1)', 'arena needs the type of its struct | Write arena<Shared>(16).'],
    [
      'export const a = arena<u64>(1)',
      'what programs and user space share in an arena is an interface | Write one: interface Shared { count: u64 }.',
    ],
    [
      'interface S { a: u64 }\nexport const a = arena<S>(0)',
      'arena needs its size: a constant number of pages, up to 1048576',
    ],
    [
      'interface S { a: u64 }\nexport const a = arena<S>(1, 2)',
      'the options of a map are written as { pin: true }',
    ],
    [
      'interface S { a: u64 }\nexport const a = arena<S>(2 ** 30)',
      'arena needs its size: a constant number of pages, up to 1048576',
    ],
    [
      'interface S { a: u64 }\nexport const a = arena<S>(0x10_0001)',
      'arena needs its size: a constant number of pages, up to 1048576',
    ],
    [
      'interface S { a: array<u64, 513> }\nexport const a = arena<S>(1)',
      'the arena has 4096 bytes, and its struct needs 4104 | Give it 2 pages.',
    ],
    [
      'interface S { a: u64 }\nexport const a = arena<S>(1)\nexport const b = arena<S>(1)',
      "the file has an arena already: 'a' | An object has only one. Let its interface have what both would have.",
    ],
    [
      'interface S { a: spinLock }\nexport const a = arena<S>(1)',
      'timers, locks and kptrs belong to the kernel, which keeps them in the values of maps only | An arena has numbers, text, arrays, structs, and ptr<T> to others of its structs.',
    ],
    [
      'interface S { a: kptr<kernel.task_struct> }\nexport const a = arena<S>(1)',
      'timers, locks and kptrs belong to the kernel, which keeps them in the values of maps only | An arena has numbers, text, arrays, structs, and ptr<T> to others of its structs.',
    ],
    [
      'interface S { a: bytes }\nexport const a = arena<S>(1)',
      'only the records of a ring buffer can have the type S, which has no end of its own',
    ],
    [
      'interface S { a: ptr }\nexport const a = arena<S>(1)',
      'a ptr has the type of what it points to | Write ptr<Item>.',
    ],
    [
      'interface S { a: ptr<S> }\nexport const a = hash<u32, S>(1)',
      'a ptr has to be in the memory of an arena, or in a variable of a function',
    ],
    [
      'interface S { a: ptr<S> }\nexport const a = ringbuf<S>(4096)',
      'a ptr has to be in the memory of an arena, or in a variable of a function',
    ],
    [
      'interface S { a: ptr<S> }\nexport const a = bss<S>()',
      'a ptr has to be in the memory of an arena, or in a variable of a function',
    ],
    [
      'interface S { a: u64 }\nexport const a = arrayOfMaps(4, arena<S>(1))',
      'an arena cannot be in a map of maps',
    ],
  ])('%s', (declarations, expected) => {
    expect(mistake('return 0', declarations)).toBe(expected)
  })

  it('names the version that has it', () => {
    const old = { oldestKernel: '5.10', arch: 'x64' } as const
    expect(mistake('shared.count = 1; return 0', head, old)).toBe(
      'an arena needs Linux 6.9, and the program has to load into 5.10',
    )
    expect(mistake('return 0', head, old)).toBe('arena needs Linux 6.9, and the object has to load into 5.10')
    expect(mistake('shared.count = 1; return 0', head, { oldestKernel: '6.9', arch: 'x64' })).toBe('compiled')
    expect(mistake('shared.count = 1; return 0', head, { oldestKernel: '6.9', arch: 'arm64' })).toBe(
      'an arena on arm64 needs Linux 6.10, and the program has to load into 6.9',
    )
    expect(mistake('shared.count += 1; return 0', head, { oldestKernel: '6.9', arch: 'x64' })).toBe(
      'an addition in an arena that CPUs may make at the same time needs Linux 6.10, and the program has to load into 6.9 | Write shared.count = shared.count + ..., if no other CPU does.',
    )
  })

  it('is shown with its place', () => {
    const text = `${head}
export const p = tc(() => {
  shared.first = { value: 1, next: null }
  return 0
})`
    expect((thrownBy(() => compile(text, { file: 'list.bpf.ts' })) as Error).message).toBe(
      `list.bpf.ts:7:18: a ptr<Item> points into the arena, and this has no place there

    shared.first = { value: 1, next: null }
                   ^^^^^^^^^^^^^^^^^^^^^^^^
  Write it to a place in the arena, and point there.`,
    )
  })

  it('is a ptr in a file without an arena', () => {
    const declarations = 'interface Item { value: u64; next: ptr<Item> }'
    expect(mistake('const item = zero<Item>(); const next = item.next; return 0', declarations)).toBe(
      'the file has no arena that a ptr<Item> could point into | Declare one: export const shared = arena<Shared>(16).',
    )
  })

  requiresKernel('6.9', 'takes pages in a program that may not sleep, before Linux 7.0', () => {
    const expected = kernelIs('7.0')
      ? 'compiled'
      : 'before Linux 7.0, alloc is for programs that may sleep, and tc programs do not | Take the pages in a syscall program, which user space runs once, and use them here.'
    expect(mistake('const item = shared.alloc<Item>(); return item ? 1 : 0')).toBe(expected)
    expect(mistake('const item = shared.alloc(); return 0', head, {}, 'syscall')).toBe(
      'alloc needs the type of what is kept there | Write shared.alloc<array<Item, 128>>().',
    )
    expect(mistake('shared.free(1); return 0', head, {}, 'syscall')).toBe(
      'free gives back what alloc has taken, and this is a number',
    )
    expect(
      mistake(
        'const item = shared.alloc<Item>(); if (!item) return 1; shared.free(item); return u32(item.value)',
        head,
        {},
        'syscall',
      ),
    ).toBe("the reference 'item' was given back, and may point to nothing")
  })
})
