// Files that somebody made to disturb whoever reads them. They come from other users' processes.
import { execFileSync } from 'node:child_process'
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Elf, memorySource } from '../../lib/machine/elf-file.js'
import { Binary } from '../../lib/symbols/binary.js'
import { JitDump, PerfMap } from '../../lib/symbols/jit.js'
import { withFile } from '../../lib/symbols/open-file.js'
import { useFolder } from '../codegen/helper.js'
import { times } from '../helpers/random.js'

const folder = useFolder()

describe('a file that would keep its reader busy', { timeout: 120_000 }, () => {
  it('has no symbols, or short ones, within seconds', () => {
    // A table of strings without an end, of which each symbol is a part, and all symbols at the same address.
    const count = 1_000_000
    const head = Buffer.alloc(64)
    head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
    const [symbols, strings] = [Buffer.alloc(24 * count), Buffer.alloc(1 << 22, 'x')]
    for (let i = 0; i < count; i++) {
      symbols.writeUInt32LE(1 + (i % 1000), i * 24)
      symbols.writeUInt8(0x12, i * 24 + 4)
      symbols.writeUInt16LE(1, i * 24 + 6)
      symbols.writeUInt32LE(0x1000, i * 24 + 8)
      symbols.writeUInt32LE(16, i * 24 + 16)
    }
    const sections = Buffer.alloc(64 * 3)
    const at = 64 + sections.length
    for (const [i, type, offset, size, link] of [
      [1, 2, at, symbols.length, 2],
      [2, 3, at + symbols.length, strings.length, 0],
    ] as const) {
      sections.writeUInt32LE(type, i * 64 + 4)
      sections.writeUInt32LE(offset, i * 64 + 24)
      sections.writeUInt32LE(size, i * 64 + 32)
      sections.writeUInt32LE(link, i * 64 + 40)
    }
    head.writeUInt32LE(64, 40)
    head.writeUInt16LE(0, 56)
    head.writeUInt16LE(3, 60)
    head.writeUInt16LE(2, 62)
    const binary = Binary.inMemory(memorySource(Buffer.concat([head, sections, symbols, strings])))
    expect(binary?.complete).toBe(true)
    expect(binary?.find(0x1000)).toBeUndefined()
  })

  it('is read in parts if it is a large perf map, and has no names until its end', () => {
    const path = `/tmp/perf-${process.pid}.map`
    const line = `2000 10 ${'other'.repeat(200)}\n`
    writeFileSync(path, `1000 10 early\n${line.repeat(Math.ceil((20 << 20) / line.length))}1000 10 late\n`)
    try {
      const map = new PerfMap(process.pid, BigInt(process.getuid!()))
      expect(map.update()).toBe(true)
      expect([map.isBehind, map.find(0x1000)]).toEqual([true, 'unread'])
      expect(map.update()).toBe(true)
      expect(map.isBehind).toBe(false)
      expect(map.find(0x1000)).toMatchObject({ name: 'late' })
      expect(map.update()).toBe(false)
      appendFileSync(path, '1000 10 latest\n')
      expect(map.update()).toBe(true)
      expect(map.find(0x1000)).toBe('replaced')
    } finally {
      rmSync(path)
    }
  })

  it('has no names if it is a perf map without an end of line', () => {
    const path = `/tmp/perf-${process.pid}.map`
    writeFileSync(path, Buffer.alloc(48 << 20, 'a'))
    try {
      const map = new PerfMap(process.pid, BigInt(process.getuid!()))
      do expect(map.update()).toBe(true)
      while (map.isBehind)
      appendFileSync(path, '\n1000 10 known\n')
      expect(map.update()).toBe(true)
      expect(map.find(0x1000)).toMatchObject({ name: 'known' })
    } finally {
      rmSync(path)
    }
  })

  it('is read up to a limit if it is a jitdump of millions of empty records', () => {
    const head = Buffer.alloc(40)
    head.writeUInt32LE(0x4a69_5444)
    head.writeUInt32LE(40, 8)
    const records = Buffer.alloc(5_000_000 * 16)
    for (let at = 0; at < records.length; at += 16) {
      records.writeUInt32LE(3, at)
      records.writeUInt32LE(16, at + 4)
    }
    writeFileSync(`${folder}/jit-1.dump`, Buffer.concat([head, records]))
    const dump = new JitDump()
    expect(withFile(`${folder}/jit-1.dump`, (file) => dump.update(file))).toBe(true)
    expect(withFile(`${folder}/jit-1.dump`, (file) => dump.update(file))).toBe(false)
    expect(dump.find(1)).toBeUndefined()
  })
})

describe('a damaged ELF file', { timeout: 120_000 }, () => {
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
