// Files that somebody made to disturb whoever reads them. They come from other users' processes.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Elf, memorySource } from '../../lib/machine/elf-file.js'
import { Binary } from '../../lib/symbols/binary.js'
import { useFolder } from '../codegen/helper.js'
import { times } from '../helpers/random.js'

const folder = useFolder()

describe('a damaged ELF file', () => {
  it('has symbols or none, and nothing else happens', () => {
    const source = 'int inner(int n) { return n + 1; } int main(int c, char** v) { return inner(c) + !!v; }'
    execFileSync('cc', ['-o', `${folder}/program`, '-x', 'c', '-'], { input: source })
    const whole = readFileSync(`${folder}/program`)
    expect(Binary.inMemory(memorySource(whole))?.complete).toBe(true)
    const { sections } = new Elf(memorySource(whole))
    const tables = sections.filter(({ name }) => /symtab|strtab|dynsym|rela\.plt|build-id/.test(name))
    times(2000, (random) => {
      const bytes = Buffer.from(whole)
      const hits = 1 + random.below(4)
      for (let i = 0; i < hits; i++) {
        // The heads, the table of sections at the end, and the tables of symbols.
        const table = tables[random.below(tables.length)]!
        const [at, size] = [
          [0, 64 + 13 * 56],
          [bytes.length - sections.length * 64, sections.length * 64],
          [table.offset, table.size],
        ][random.below(3)]!
        bytes[at! + random.below(size!)] = random.below(256)
      }
      const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
      const binary = Binary.inMemory(memorySource(cut))
      const names = Array.from({ length: 192 }, (_, i) => binary?.find(i * 64)?.name)
      expect(names.every((name) => name === undefined || typeof name === 'string')).toBe(true)
    })
  })
})
