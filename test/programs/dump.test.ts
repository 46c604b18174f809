import { disassemble, dumpProgram, features } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { bpftoolText, comparesWithBpftool } from '../helpers/bpftool.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'

/** An instruction in bytes. */
const code = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)

describe('disassemble', () => {
  it.each([
    [[0xb7, 0x00, 0, 0, 0, 0, 0, 0], '(b7) r0 = 0'],
    [[0xb4, 0x03, 0, 0, 0xff, 0xff, 0xff, 0xff], '(b4) w3 = -1'],
    [[0xbf, 0x16, 0, 0, 0, 0, 0, 0], '(bf) r6 = r1'],
    [[0xbf, 0x16, 8, 0, 0, 0, 0, 0], '(bf) r6 = (s8)r1'],
    [[0xbf, 0x16, 1, 0, 1, 0, 0, 0], '(bf) r6 = addr_space_cast(r1, 0, 1)'],
    [[0xbf, 0x16, 0xff, 0xff, 0, 0, 0, 0], '(bf) r6 = &(void __percpu *)(r1)'],
    [[0x37, 0x01, 1, 0, 3, 0, 0, 0], '(37) r1 s/= 3'],
    [[0x9c, 0x21, 1, 0, 0, 0, 0, 0], '(9c) w1 s%= w2'],
    [[0xc7, 0x01, 0, 0, 32, 0, 0, 0], '(c7) r1 s>>= 32'],
    [[0x87, 0x02, 0, 0, 0, 0, 0, 0], '(87) r2 = -r2'],
    [[0xdc, 0x02, 0, 0, 16, 0, 0, 0], '(dc) r2 = be16 r2'],
    [[0xd4, 0x02, 0, 0, 64, 0, 0, 0], '(d4) r2 = le64 r2'],
    [[0xd7, 0x02, 0, 0, 32, 0, 0, 0], '(d7) r2 = bswap32 r2'],
    [[0x61, 0x12, 8, 0, 0, 0, 0, 0], '(61) r2 = *(u32 *)(r1 +8)'],
    [[0x81, 0x12, 0xf8, 0xff, 0, 0, 0, 0], '(81) r2 = *(s32 *)(r1 -8)'],
    [[0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0], '(7b) *(u64 *)(r10 -8) = r1'],
    [[0x72, 0x0a, 0xff, 0xff, 5, 0, 0, 0], '(72) *(u8 *)(r10 -1) = 5'],
    [[0xc2, 0, 0, 0, 0, 0, 0, 0], '(c2) nospec'],
    [[0xdb, 0x21, 0, 0, 0, 0, 0, 0], '(db) lock *(u64 *)(r1 +0) += r2'],
    [[0xc3, 0x21, 4, 0, 0x41, 0, 0, 0], '(c3) r2 = atomic_fetch_or((u32 *)(r1 +4), r2)'],
    [[0xdb, 0x21, 0, 0, 0xe1, 0, 0, 0], '(db) r2 = atomic64_xchg((u64 *)(r1 +0), r2)'],
    [[0xdb, 0x21, 0, 0, 0xf1, 0, 0, 0], '(db) r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)'],
    [[0xdb, 0x12, 0, 0, 0, 1, 0, 0], '(db) r2 = load_acquire((u64 *)(r1 +0))'],
    [[0xdb, 0x21, 0, 0, 0x10, 1, 0, 0], '(db) store_release((u64 *)(r1 +0), r2)'],
    [[0x30, 0, 0, 0, 14, 0, 0, 0], '(30) r0 = *(u8 *)skb[14]'],
    [[0x48, 0x10, 0, 0, 2, 0, 0, 0], '(48) r0 = *(u16 *)skb[r1 + 2]'],
    [[0x05, 0, 0xfe, 0xff, 0, 0, 0, 0], '(05) goto pc-2'],
    [[0x06, 0, 0, 0, 7, 0, 0, 0], '(06) gotol pc+7'],
    [[0xe5, 0, 3, 0, 0, 0, 0, 0], '(e5) may_goto pc+3'],
    [[0x15, 0x01, 2, 0, 0, 0, 0, 0], '(15) if r1 == 0x0 goto pc+2'],
    [[0xc6, 0x01, 2, 0, 0xff, 0xff, 0xff, 0xff], '(c6) if w1 s< 0xffffffff goto pc+2'],
    [[0xad, 0x21, 2, 0, 0, 0, 0, 0], '(ad) if r1 < r2 goto pc+2'],
    [[0x85, 0x10, 0, 0, 5, 0, 0, 0], '(85) call pc+5'],
    [[0x85, 0x20, 0, 0, 5, 0, 0, 0], '(85) call kernel-function#5'],
    [[0x95, 0, 0, 0, 0, 0, 0, 0], '(95) exit'],
    [[0xff, 0, 0, 0, 0, 0, 0, 0], '(ff) unknown operation 0xff'],
    [[0x18, 0x11, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], '(18) r1 = map[id:7]'],
    [[0x18, 0x21, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0], '(18) r1 = map[id:7][0]+9'],
    [[0x18, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0, 0], '(18) r1 = 0x1ffffffff'],
  ])('%j is %s', (bytes, text) => {
    expect(disassemble(code(...bytes)).map((instruction) => instruction.text)).toEqual([text])
  })

  it('numbers instructions as jumps do, and accepts any bytes', () => {
    const long = [0x18, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    expect(disassemble(code(...long, 0x95, 0, 0, 0, 0, 0, 0, 0, 1, 2)).map(({ index }) => index)).toEqual([
      0, 2,
    ])
    for (let operation = 0; operation < 256; operation++) {
      expect(disassemble(code(operation, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toHaveLength(1)
    }
    expect(disassemble(new Uint8Array())).toEqual([])
  })
})

/** The output of `bpftool prog dump xlated`. */
function asBpftool(id: number): string {
  const lines: string[] = []
  for (const { index, text, source, function: name } of dumpProgram(id).instructions) {
    if (name !== undefined) lines.push(`${name}:`)
    if (source !== undefined) lines.push(`; ${source.text}`)
    lines.push(`${String(index).padStart(4)}: ${text}`)
  }
  return `${lines.join('\n')}\n`
}

/** Before 7.5, bpftool prints a per-CPU address (Linux 6.10) as a plain move. */
const inOldWords = (text: string): string => text.replace(/&\(void __percpu \*\)\((r\d+)\)/g, '$1')

describe('dumpProgram', () => {
  for (const name of [
    'programs',
    'events-rings',
    'maps',
    'attach-net',
    'links',
    'exec',
    'choosy',
    'globals',
  ]) {
    comparesWithBpftool(`agrees with bpftool prog dump xlated of ${name}.bpf.o`, () => {
      using object = load(name)
      for (const program of object.programs.values()) {
        if (!program.loaded) continue
        const theirs = bpftoolText('prog', 'dump', 'xlated', 'id', String(program.id))
        expect(inOldWords(asBpftool(program.id))).toBe(inOldWords(theirs))
      }
    })
  }

  it('has the machine code of each function with the offsets of its lines', () => {
    using object = load('events-rings')
    const [program] = object.programs.values()
    const { info, jited, instructions } = program!.dump()
    if (features.machine().jit === 'off') return expect(jited).toEqual([])
    expect(jited.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(info.jitedSize)
    expect(jited[0]!.name).toBe('int produce(struct __sk_buff * skb)')
    expect(jited[0]!.address).toBeGreaterThan(0n)
    const lines = jited.flatMap(({ lines, bytes }) => lines.map((line) => ({ ...line, end: bytes.length })))
    expect(lines.length).toBeGreaterThan(3)
    expect(lines.every(({ offset, end }) => offset >= 0 && offset < end)).toBe(true)
    expect(lines[0]!.source.file).toMatch(/events-rings\.bpf\.c$/)
    expect(instructions.some(({ source }) => source?.text.includes('bpf_ringbuf_reserve'))).toBe(true)
  })

  it('says which program does not exist', () => {
    expect(() => dumpProgram(0xffffffff)).toThrow(
      'read program 4294967295: nothing with that id exists (any more) (ENOENT)',
    )
    expect(() => dumpProgram(-1)).toThrow(RangeError)
  })
})

describe('Program.readStream', () => {
  it('throws a TypeError for an unknown stream', () => {
    using object = load('programs')
    const [program] = object.programs.values()
    expect(() => program!.readStream('stdin' as never)).toThrow("stream 'stdin' does not exist")
  })

  it('returns an empty text if nothing was written, or names the kernel version that has streams', () => {
    using object = load('programs')
    const [program] = object.programs.values()
    const read = () => {
      try {
        return program!.readStream('stdout')
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(read()).toMatch(/^$|it came with Linux 6\.17/)
  })

  requiresKernel('6.18', 'returns what a program wrote, once', () => {
    using object = load(kernelIs('7.0') ? 'stream' : 'stream-impl')
    const program = object.program('print')
    const written = program.testRunSync().retval | 0
    // On machines without a double-word compare-and-exchange the kernel cannot allocate streams: ENOMEM.
    expect([0, -12]).toContain(Math.min(written, 0))
    expect(program.readStream('stdout')).toBe(written < 0 ? '' : 'line 7 of stream\n')
    expect(program.readStream('stdout')).toBe('')
    expect(program.readStream('stderr')).toBe('')
  })
})
