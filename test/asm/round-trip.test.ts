import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  assemble,
  disassemble,
  exit,
  type Instruction,
  jeq,
  label,
  mov,
  r0,
  r1,
  splice,
} from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { readElf } from '../../lib/asm/elf-reader.js'

const root = fileURLToPath(new URL('../../dist', import.meta.url))
/** Another folder with objects, to try the same on. */
const folder = process.env.LIBBPF_NODE_OBJECTS

const SHF_EXECINSTR = 4

function objectsBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.o$/.test(name))
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile())
}

describe('assemble and disassemble', () => {
  it('give the same bytes for the code of every object', () => {
    let instructions = 0
    for (const path of [...objectsBelow(root), ...(folder ? objectsBelow(folder) : [])]) {
      const { sections, littleEndian } = readElf(readFileSync(path))
      for (const { name, flags, bytes } of sections) {
        if ((flags & SHF_EXECINSTR) === 0) continue
        const code = disassemble(bytes, { littleEndian })
        instructions += code.length
        expect(Buffer.compare(assemble(code, { littleEndian }), bytes), `${path} ${name}`).toBe(0)
      }
    }
    expect(instructions).toBeGreaterThan(5000)
  })

  it('give the same bytes for random ones, in both byte orders', () => {
    const seed = Number(process.env.LIBBPF_NODE_SEED ?? Date.now() % 1_000_000)
    let state = seed
    const random = (): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state >>> 8
    }
    for (let run = 0; run < 300; run++) {
      const bytes = Uint8Array.from({ length: 8 * (random() % 40) }, random)
      for (const littleEndian of [true, false]) {
        const again = assemble(disassemble(bytes, { littleEndian }), { littleEndian })
        expect(Buffer.compare(again, bytes), `seed ${seed}`).toBe(0)
      }
    }
  })

  it('adjust jumps when an instruction is inserted or removed', () => {
    const program = disassemble(assemble([jeq(r1, 0, 'out'), mov(r0, 1), label('out', exit())]))
    const longer = splice(program, 1, 0, mov(r0, 2), mov(r0, 3))
    expect(offsetOf(longer[0])).toBe(3)
    expect(offsetOf(splice(program, 1, 1)[0], splice(program, 1, 1))).toBe(0)
    const replaced = splice(program, 2, 1, mov(r0, 5), exit())
    expect(offsetOf(replaced[0], replaced)).toBe(1)

    function offsetOf(_: Instruction | undefined, list: readonly Instruction[] = longer): number {
      return new DataView(assemble(list).buffer).getInt16(2, true)
    }
  })
})

describe('assemble', () => {
  it('names a label that does not exist, and one that stands twice', () => {
    expect(() => assemble([jeq(r1, 0, 'nowhere'), exit()])).toThrow(
      new RangeError("slot 0: label 'nowhere' does not exist"),
    )
    expect(() => assemble([label('a', exit()), label('a', exit())])).toThrow(
      new RangeError("label 'a' is the label of two instructions"),
    )
  })

  it('refuses a jump that does not fit 16 bits', () => {
    const far = [jeq(r1, 0, 'out'), ...Array.from({ length: 40_000 }, () => mov(r0, 0)), label('out', exit())]
    expect(() => assemble(far)).toThrow(/is 40000 slots away, and a jump reaches 32767: use gotol/)
  })
})
