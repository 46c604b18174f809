import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { kernelIs, requiresKernel } from '../../helpers/kernel.js'
import { thrownBy } from '../../helpers/objects.js'

const head = `
  interface Item { value: u64; next: ptr<Item> }
  interface Point { x: u32; y: u32 }
  interface Shared { count: u64; first: ptr<Item>; items: array<Item, 64>; used: u32; small: s8; name: char<16>; flag: boolean; port: be16; at: Point; buckets: array<ptr<Item>, 8> }
  export const shared = arena<Shared>(8)`

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
      'only the records of a ring buffer can have the type S, which has no fixed length',
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
      : 'before Linux 7.0, alloc is for programs that may sleep, and tc programs do not | Allocate the pages in a syscall program, which user space runs once, and use them here.'
    expect(mistake('const item = shared.alloc<Item>(); return item ? 1 : 0')).toBe(expected)
    expect(mistake('const item = shared.alloc(); return 0', head, {}, 'syscall')).toBe(
      'alloc needs the type of what is kept there | Write shared.alloc<array<Item, 128>>().',
    )
    expect(mistake('shared.free(1); return 0', head, {}, 'syscall')).toBe(
      'free releases what alloc has returned, and this is a number',
    )
    expect(
      mistake(
        'const item = shared.alloc<Item>(); if (!item) return 1; shared.free(item); return u32(item.value)',
        head,
        {},
        'syscall',
      ),
    ).toBe("the reference 'item' was released, and may no longer be valid")
  })
})
