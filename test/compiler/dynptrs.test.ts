import { BpfObject } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { Emulator, ethernet, ipv4, packet, udp } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from './maps/run.js'

function mistake(body: string): string {
  try {
    compile(
      `interface Head { id: u32; size: u32 }
      interface Line { id: u32; text: bytes }
      export const lines = ringbuf<Line>(4096)
      export const others = ringbuf<Head>(4096)
      export const places = percpuArray<bytes<64>>(1)
      export const length = rodata<u32>(8)
      export const fixed = rodata<bytes<8>>()
      function finish(line: Dynptr): void { lines.submit(line) }
      export const p = tc((packet) => { ${body} })
      export const license = 'GPL'`,
    )
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

/** The records of a ring, one run for each length. */
const lines = `
  interface Line { id: u32; text: char }
  export const lines = ringbuf<Line>(4096, { countLost: true })
  export const buffers = percpuArray<bytes<64>>(1)
  export let length = data<u32>(0)
  export let failed = data<u32>(0)
  export const p = tc((packet) => {
    const buffer = buffers.get(0)
    if (!buffer) return 1
    for (const i of range(64)) buffer[i] = u8(97 + (i & 15))
    const line = lines.reserveDynptr(sizeof<Line>() + length)
    if (!line) {
      failed += 1
      return 2
    }
    const head = line.data<Line>(0)
    if (head) head.id = length
    if (!line.write(sizeof<Line>(), buffer, length)) failed += 1
    const again = line.read<u32>(0)
    if (!again || again.value !== length || line.read<u64>(length)) failed += 1
    lines.submit(line)
    return 0
  })`

describe('a dynptr of a ring buffer', () => {
  requiresKernel('5.19', 'makes records as long as the program says', () => {
    const { object, run } = load(lines)
    using _ = object
    using ring = object.ringBuffer<{ id: number; text: string }>('lines', 'Line')
    const found: { id: number; text: string }[] = []
    ring.on((record) => found.push(record))
    for (const length of [1, 5, 64]) {
      object.data.length = length
      expect(run()).toBe(0)
    }
    ring.consume()
    const text = 'abcdefghijklmnop'.repeat(4)
    expect(found).toEqual([1, 5, 64].map((id) => ({ id, text: text.slice(0, id) })))
    expect(object.data.failed).toBe(0)
    // More than there is to write stays within what is written.
    object.data.length = 100
    expect(run()).toBe(0)
    ring.consume()
    expect(found.at(-1)).toMatchObject({ id: 100, text })
  })

  requiresKernel('5.19', 'is null where there is no room, and nothing has to be given back', () => {
    const { object, run } = load(lines)
    using _ = object
    object.data.length = 5000
    expect(run()).toBe(2)
    expect(object.data.failed).toBe(1)
    expect(
      object
        .map<number, bigint[]>('lines_lost')
        .get(0)!
        .reduce((a, b) => a + b),
    ).toBe(1n)
    object.data.length = 8
    expect(run()).toBe(0)
  })

  it('does the same in the emulator', () => {
    const emulator = Emulator.open(compile(`${lines}\nexport const license = 'GPL'`).object)
    for (const length of [5, 64]) {
      emulator.set('length', length)
      expect(emulator.program('p').run({ packet: new Uint8Array(64) }).retval).toBe(0)
    }
    emulator.set('length', 5000)
    expect(emulator.program('p').run({ packet: new Uint8Array(64) }).retval).toBe(2)
    expect(emulator.get('failed')).toBe(1)
  })

  requiresKernel('5.19', 'is made, and given back, in each round of a loop and in functions', () => {
    const { object, run } = load(`
      interface Line { id: u32; text: bytes }
      export const lines = ringbuf<Line>(4096)
      export let rounds = data<u32>(5)
      function finish(line: Dynptr, keep: u32): void {
        if (keep === 0) lines.discard(line)
        else lines.submit(line)
      }
      export const p = tc((packet) => {
        for (const i of range(rounds, 16)) {
          const line = lines.reserveDynptr(8)
          if (!line) continue
          line.write<u32>(0, i)
          line.write<u32>(4, 7)
          finish(line, i & 1)
        }
        return 0
      })`)
    using _ = object
    using ring = object.ringBuffer<{ id: number; text: Uint8Array }>('lines', 'Line')
    const found: number[][] = []
    ring.on(({ id, text }) => found.push([id, ...text]))
    expect(run()).toBe(0)
    ring.consume()
    expect(found).toEqual([
      [1, 7, 0, 0, 0],
      [3, 7, 0, 0, 0],
    ])
  })

  requiresKernel('6.5', 'has a size, can be cut, and has copies', () => {
    const { object, run } = load(`
      export const lines = ringbuf<Line>(4096)
      interface Line { id: u32; text: bytes }
      export let sizes = data<array<u32, 4>>()
      export const p = tc((packet) => {
        const line = lines.reserveDynptr(16)
        if (!line) return 1
        const rest = line.clone()
        sizes[0] = line.size()
        const isCut = rest.adjust(4, 10) === 0
        sizes[1] = rest.size()
        sizes[2] = u32(kfunc.bpf_dynptr_size(rest))
        rest.write<u32>(0, 0x04030201)
        const slice = line.slice<u32>(4)
        if (slice) sizes[3] = slice.value
        const writable = line.sliceRdwr<u32>(0)
        if (writable) writable.value = 9
        const isFine = isCut && !line.isNull() && !line.isRdonly()
        lines.submit(line)
        return isFine ? 0 : 3
      })`)
    using _ = object
    expect(run()).toBe(0)
    expect([...(object.data.sizes as number[])]).toEqual([16, 6, 6, 0x04030201])
  })
})

describe('bpf.dynptrFromMem', () => {
  const text = `
    interface Value { before: u32; bytes: bytes<32>; after: u32 }
    interface Point { x: u32; y: u32 }
    export const values = array<Value>(1)
    export let room = data<bytes<16>>()
    export let offset = data<u32>(0)
    export let out = data<array<u32, 4>>()
    export const p = tc((packet) => {
      const value = values.get(0)
      if (!value) return 1
      const bytes = bpf.dynptrFromMem(value.bytes)
      if (!bytes.write<Point>(offset, { x: 5, y: 6 })) return 2
      const point = bytes.read<Point>(offset)
      if (!point) return 3
      const all = bpf.dynptrFromMem(room)
      if (!all.read(0, point, 4) || !bytes.read(offset + 4, point, 4)) return 4
      out[0] = point.x
      out[1] = point.y
      const place = bytes.data<Point>(8)
      if (place) place.x += 1
      const in32 = bytes.data<Point>(28)
      out[2] = in32 ? 1 : 2
      return 0
    })`

  const states = [
    { offset: 8, returned: 0 },
    { offset: 24, returned: 0 },
    { offset: 25, returned: 2 },
  ]

  requiresKernel('5.19', 'reads and writes parts of values, which end where they end', () => {
    const { object, run } = load(text)
    using _ = object
    for (const { offset, returned } of states) {
      object.data.offset = offset
      expect(run()).toBe(returned)
    }
    expect([...(object.data.out as number[])]).toEqual([6, 6, 2, 0])
    const { bytes } = object.map<number, { bytes: Uint8Array }>('values').get(0)!
    expect([...bytes.slice(8, 16), ...bytes.slice(24)]).toEqual([
      7, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0,
    ])
  })

  it('does the same in the emulator', () => {
    const emulator = Emulator.open(compile(`${text}\nexport const license = 'GPL'`).object)
    for (const { offset, returned } of states) {
      emulator.set('offset', offset)
      expect(emulator.program('p').run({ packet: new Uint8Array(64) }).retval).toBe(returned)
    }
    expect(emulator.get('out')).toEqual([6, 6, 2, 0])
  })
})

describe('packet.dynptr', () => {
  const head = `
    interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
    interface Ipv4 {
      version: u8; tos: u8; length: be16; id: be16; fragment: be16
      ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32
    }
    export let out = data<array<u32, 4>>()`
  const frame = packet(ethernet(), ipv4({ ttl: 9 }), udp(), 'text of the packet')

  requiresKernel('6.5', 'reads and writes in XDP and TC programs', () => {
    const body = `
      const all = packet.dynptr()
      const eth = all.slice<Ethernet>(0)
      if (!eth || eth.type !== 0x0800) return 1
      const ip = all.sliceRdwr<Ipv4>(14)
      if (!ip) return 2
      ip.ttl = u8(ip.ttl - 1)
      if (!all.write(14, ip)) return 3
      const again = all.read<Ipv4>(14)
      if (!again) return 4
      out[0] = again.ttl
      out[1] = all.size()
      if (all.slice<Ipv4>(100)) return 5
      return 0`
    const { object } = load(
      `${head}\nexport const p = tc((packet) => {${body}})\nexport const q = xdp((packet) => {${body
        .replaceAll('return 5', 'return XDP.PASS')
        .replaceAll(/return [1-4]\n/g, 'return XDP.TX\n')}})`,
    )
    using _ = object
    for (const name of ['p', 'q']) {
      const { retval, data } = object.program(name).testRunSync({ data: frame })
      expect(retval).toBe(0)
      expect([...(object.data.out as number[])].slice(0, 2)).toEqual([8, frame.length])
      expect(data[22]).toBe(8)
    }
  })
})

describe('dynptrs in programs of many shapes', () => {
  const head = `
    interface Line { id: u32; text: bytes }
    interface Point { x: u32; y: u32 }
    export const lines = ringbuf<Line>(4096)
    export const values = array<bytes<64>>(4)
    export let n = data<u32>(5)
    export let total = data<u64>(0)
    function swap(d: Dynptr, at: u32): u32 {
      const p = d.read<Point>(at)
      if (!p) return 0
      const q = d.read<Point>(at + 8)
      if (!q) return 0
      d.write<Point>(at, { x: q.x, y: p.y })
      d.write<Point>(at + 8, { x: p.x, y: q.y })
      return p.x + q.y
    }`
  const inLoop =
    'tc((packet) => { let i: u32 = 0; while (i < n) { const d = lines.reserveDynptr(64); if (!d) return 1; d.write<u32>(i * 4, i); i += 1; lines.submit(d) } return 0 })'
  const aroundLoop =
    'tc((packet) => { const d = lines.reserveDynptr(64); if (!d) return 1; let i: u32 = 0; while (i < n) { d.write<u32>(i * 4, i); i += 1 } lines.submit(d); return 0 })'
  const shapes: Record<string, [body: string, oldestKernel?: string]> = {
    'made in a loop': [inLoop],
    'made in a loop that is a function': [inLoop, '5.19'],
    'made in a loop with may_goto': [inLoop, '6.9'],
    'made before a loop': [aroundLoop],
    'made before a loop that is a function': [aroundLoop, '5.19'],
    'used by a function that is called twice': [
      'tc((packet) => { const v = values.get(0); if (!v) return 1; const d = bpf.dynptrFromMem(v); total += swap(d, 0) + swap(d, n); const e = lines.reserveDynptr(40); if (!e) return 0; total += swap(e, 8); lines.submit(e); return 0 })',
    ],
    'three at once': [
      'tc((packet) => { const a = lines.reserveDynptr(8); const b = lines.reserveDynptr(16); const c = packet.dynptr(); if (!a) { if (b) lines.discard(b); return 0 } if (!b) { lines.discard(a); return 0 } const p = c.read<Point>(0); if (p) { a.write(0, p); b.write(8, p) } lines.submit(b); lines.submit(a); return 0 })',
    ],
    'filled from a packet': [
      'tc((packet) => { const p = packet.read<Point>(0); if (!p) return 0; const d = lines.reserveDynptr(8); if (!d) return 0; d.write(0, p, packet.len); lines.submit(d); return 0 })',
    ],
    'of a socket filter': [
      'socketFilter((packet) => { const d = packet.dynptr(); const p = d.slice<Point>(0); return p ? s32(p.x) : d.isRdonly() ? 1 : 0 })',
    ],
    'of a cgroup': [
      'cgroupEgress((packet) => { const p = packet.dynptr().slice<Point>(0); return p && p.x === 4 ? 1 : 0 })',
    ],
    'of a packet that is moved': [
      'xdp((packet) => { const d = packet.dynptr(); const p = d.sliceRdwr<Point>(0); if (p) p.x = 5; if (bpf.xdpAdjustHead(-8) !== 0) return XDP.DROP; const q = d.slice<Point>(0); return q ? XDP.PASS : XDP.DROP })',
    ],
    'cut in a loop': [
      'tc((packet) => { const d = packet.dynptr(); for (const i of range(n, 8)) { const e = d.clone(); if (e.adjust(i, e.size()) !== 0) continue; const p = e.read<u8>(0); if (p) total += p.value } return 0 })',
    ],
  }
  for (const [name, [body, oldestKernel]] of Object.entries(shapes))
    requiresKernel(oldestKernel === '6.9' ? '6.9' : '6.5', `are accepted by the verifier: ${name}`, () => {
      const text = `${head}\nexport const p = ${body}\nexport const license = 'GPL'`
      const { object: bytes } = compile(text, oldestKernel === undefined ? {} : { oldestKernel })
      using object = BpfObject.open(bytes)
      object.loadSync()
      expect(object.program('p').info().name).toBe('p')
    })
})

describe('a mistake with a dynptr', () => {
  it.each([
    [
      'const line = lines.reserveDynptr(8); if (!line) return 0; return 1',
      "the record 'line' is still reserved here | Call lines.submit(line) or lines.discard(line) first.",
    ],
    [
      'lines.reserveDynptr(8); return 0',
      'this record is reserved and nothing can release it | Write const record = lines.reserveDynptr(size).',
    ],
    [
      'const line = lines.reserveDynptr(8); line.write<u32>(0, 1); return 0',
      "'line' may be null here | Compare it first: if (!line) return TC.PASS.",
    ],
    [
      'const line = lines.reserveDynptr(8); if (!line) return 0; if (length > 5) lines.submit(line); return 0',
      "the record 'line' is released on one path through this if, and not on the other",
    ],
    [
      'const line = lines.reserveDynptr(8); if (!line) return 0; finish(line); line.write<u32>(0, 1); return 0',
      "the record 'line' was submitted or discarded, and belongs to the reader",
    ],
    [
      'const line = lines.reserveDynptr(8); if (!line) return 0; const id = line.data<u32>(0); lines.submit(line); if (!id) return 0; return s32(id.value)',
      "id is a part of the record 'line', which was submitted or discarded",
    ],
    [
      'const line = lines.reserveDynptr(8); if (!line) return 0; others.submit(line); return 0',
      "'line' was reserved in 'lines'",
    ],
    [
      'const place = places.get(0); if (!place) return 0; const all = bpf.dynptrFromMem(place); lines.submit(all); return 0',
      'submit needs a record from lines.reserve() | A dynptr is one if it is from lines.reserveDynptr(size).',
    ],
    [
      'const own = zero<Head>(); bpf.dynptrFromMem(own); return 0',
      'the kernel makes dynptrs only for what is in the value of a map, or in a global variable | Get it from a map, such as a percpuArray with one element.',
    ],
    [
      'bpf.dynptrFromMem(fixed); return 0',
      "'fixed' is rodata: only user space sets it, before the program is loaded",
    ],
    [
      'const place = places.get(0); if (!place) return 0; bpf.dynptrFromMem(place).write(0, 5); return 0',
      'write needs the type of what it writes, or something in memory | Write dynptr.write<Header>(0, { ... }), or dynptr.write<u32>(0, 1).',
    ],
    [
      'const place = places.get(0); if (!place) return 0; bpf.dynptrFromMem(place).write(0, place, 65); return 0',
      'this has 64 bytes, and 65 are wanted',
    ],
    [
      'const place = places.get(0); if (!place) return 0; bpf.dynptrFromMem(place).reed(0); return 0',
      "a dynptr has no function 'reed' | Did you mean 'read'?",
    ],
    [
      'bpf.dynptrRead(1, 2, 3); return 0',
      "maps and rings have words of their own for 'dynptrRead' | Write dynptr.read<T>(offset), or dynptr.read(offset, into, length).",
    ],
    [
      'const line = lines.reserve(); if (!line) return 0; line.text[0] = 1; lines.submit(line); return 0',
      'line.text is as long as its record, which only the dynptr knows | Write it with dynptr.write(offset, value, length).',
    ],
  ])('%s', (body, expected) => {
    expect(mistake(body)).toBe(expected)
  })

  it.each([
    ['interface A { a: bytes; b: u32 }', 'the length has to be a number above 0 | Write char<16>.'],
    [
      'interface A { a: u32; b: bytes }\ninterface B { a: A; b: u32 }',
      'A has no fixed length, so it cannot be a member',
    ],
    [
      'interface A { a: u32; b: char }\nexport const m = hash<u32, A>(4)',
      'only the records of a ring buffer can have the type A, which has no fixed length',
    ],
    [
      'interface A { a: u32; b: char }\nexport let g = data<A>()',
      'only the records of a ring buffer can have the type A, which has no fixed length',
    ],
  ])('%s', (text, expected) => {
    const compiled = (): unknown => compile(`${text}\nexport const p = syscall(() => 0)`)
    expect(compiled).toThrow(CompileError)
    expect(compiled).toThrow(expected.split(' | ')[0]!)
  })

  requiresKernel('6.5', 'that is a copy of one that was given back', () => {
    expect(
      mistake(
        'const line = lines.reserveDynptr(8); if (!line) return 0; const twin = line.clone(); lines.discard(line); twin.write<u32>(0, 1); return 0',
      ),
    ).toBe("twin is a part of the record 'line', which was submitted or discarded")
  })

  requiresKernel('6.4', 'of a packet that was changed', () => {
    expect(
      mistake(
        'const all = packet.dynptr(); const head = all.slice<Head>(0); if (!head) return 0; all.write<u32>(0, 1); return s32(head.id)',
      ),
    ).toBe("'head' points to where the packet was before it was changed | Read it again.")
    expect(mistake('const d = packet.dynptr().data<u32>(0); return 0')).toBe(
      'a packet may stand in several pieces of memory, so it has no data | Write dynptr.slice<Header>(0).',
    )
    expect(
      mistake('const head = packet.dynptr().slice<Head>(0); if (!head) return 0; head.id = 1; return 0'),
    ).toBe('a slice can only be read: sliceRdwr gives one that can be written')
    expect(mistake('kfunc.bpf_dynptr_slice(1); return 0')).toBe(
      "dynptrs have a word of their own for 'bpf_dynptr_slice' | Write dynptr.slice<T>(offset).",
    )
  })
})
