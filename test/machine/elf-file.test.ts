// Damaged files, as other users' processes could have mapped them, for each reader that begins with the heads of a file.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readElf } from '../../lib/asm/elf-reader.js'
import { probesIn } from '../../lib/machine/binary-probes.js'
import { Elf, memorySource } from '../../lib/machine/elf-file.js'
import { useFolder } from '../codegen/helper.js'
import { objectPath } from '../helpers/objects.js'
import { times } from '../helpers/random.js'

const folder = useFolder()

/** A program with a symbol table and a static probe, written as sys/sdt.h writes it. */
function programWithProbe(): string {
  const source = `
    int act(int n) { return n + 1; }
    int main() {
      __asm__ volatile(
        "990: nop\\n.pushsection .note.stapsdt,\\"?\\",\\"note\\"\\n.balign 4\\n.4byte 992f-991f, 994f-993f, 3\\n"
        "991: .asciz \\"stapsdt\\"\\n992: .balign 4\\n993: .8byte 990b, 0, 0\\n"
        ".asciz \\"shop\\"\\n.asciz \\"sold\\"\\n.asciz \\"-4@$5\\"\\n994: .balign 4\\n.popsection\\n");
      return act(1);
    }`
  const path = join(folder, 'probed')
  execFileSync('cc', ['-o', path, '-x', 'c', '-'], { input: source })
  return path
}

describe('a file with a few wrong bytes', () => {
  it('has functions and probes or none, and is read to its end', () => {
    const path = programWithProbe()
    const whole = readFileSync(path)
    const found = probesIn(path)!
    expect(found.functions.has('act')).toBe(true)
    expect([...found.usdt]).toEqual([['shop:sold', '-4@$5']])
    const { sections } = new Elf(memorySource(whole))
    const notes = sections.find(({ name }) => name === '.note.stapsdt')!
    const damaged = join(folder, 'damaged')
    times(1000, (random) => {
      const bytes = Buffer.from(whole)
      for (let i = 0; i <= random.below(4); i++) {
        const [at, size] = [
          [0, 64],
          [bytes.length - sections.length * 64, sections.length * 64],
          [notes.offset, 12],
        ][random.below(3)]!
        bytes[at! + random.below(size!)] = random.below(256)
      }
      writeFileSync(damaged, random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes)
      const probes = probesIn(damaged)
      expect(probes === undefined || probes.functions instanceof Set).toBe(true)
    })
    // A note whose size leads back to itself.
    const bytes = Buffer.from(whole)
    bytes.writeUInt32LE(0xffff_fff4, notes.offset + 4)
    writeFileSync(damaged, bytes)
    expect(probesIn(damaged)?.usdt.size).toBe(0)
  })

  it('is an object, or the error says what is wrong with it', () => {
    const whole = readFileSync(objectPath('symbols'))
    const { sections } = new Elf(memorySource(whole))
    expect(readElf(whole).sections).toHaveLength(sections.length)
    expect(() => readElf(whole.subarray(0, whole.length - 1))).toThrow(/the ELF file is damaged/)
    times(2000, (random) => {
      const bytes = Buffer.from(whole)
      for (let i = 0; i <= random.below(4); i++) {
        const [at, size] = [
          [0, 64],
          [bytes.readUInt32LE(40), sections.length * 64],
        ][random.below(2)]!
        bytes[at! + random.below(size!)] = random.below(256)
      }
      const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
      try {
        expect(readElf(cut).sections.length).toBeLessThan(65536)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    })
  })
})
