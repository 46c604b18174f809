// Lines and inlined functions, compared with those that other readers of the same files find.
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Elf, fileSource, memorySource } from '../../lib/machine/elf-file.js'
import { Dwarf, type Place } from '../../lib/symbols/dwarf/dwarf.js'
import { useFolder } from '../codegen/helper.js'
import { isHere } from '../helpers/command.js'
import { randomOf, times } from '../helpers/random.js'
import { sources } from './dwarf-sources.js'

const folder = useFolder()
const count = 3000
const nothingShared = () => undefined

/** Addresses of instructions, as they were linked. */
function addressesIn({ sections }: Elf): number[] {
  const text = sections.find(({ name }) => name === '.text')!
  const random = randomOf(Number(process.env.LIBBPF_NODE_SEED ?? 1))
  return Array.from({ length: count }, () => text.address + random.below(text.size))
}

/** What a reader prints for each address: the address, and then a name and a place for each function. */
function placesBy(command: readonly string[], addresses: readonly number[]): Place[][] {
  const [program = '', ...args] = command
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('')
  const output = execFileSync(program, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 })
  return output
    .split(/^0x[0-9a-f]+\n/m)
    .slice(1)
    .map((block) =>
      [...block.matchAll(/^(.*)\n(.*):(\d+|\?)(?: \(discriminator \d+\))?$/gm)].map(
        ([, name = '', file = '', line = '']) => ({
          name: name === '??' ? undefined : name,
          file: file === '??' ? '' : file,
          line: Number(line) || 0,
        }),
      ),
    )
}

interface Reader {
  command(path: string): string[]
  /** What can be compared. */
  shown(places: readonly Place[]): string
}

const readers: Readonly<Record<string, Reader>> = {
  'llvm-symbolizer': {
    command: (path) => [
      'llvm-symbolizer',
      '--addresses',
      '--inlines',
      '--no-demangle',
      '--output-style=GNU',
      `--obj=${path}`,
    ],
    // It takes the name of the outermost function from .symtab, as our frames do.
    shown: (places) =>
      places
        .map(({ name, file, line }, i) => {
          const text = i === places.length - 1 ? '' : name
          return `${text}@${line === 0 ? '' : `${file}:${line}`}`
        })
        .join(' < '),
  },
  // It takes the name of the innermost function from .symtab in some cases, and the file of others from a wrong entry.
  addr2line: {
    command: (path) => ['addr2line', '-a', '-i', '-f', '-e', path],
    shown: (places) => places.map(({ line }) => line).join(' < '),
  },
}

function compare(reader: Reader, path: string): void {
  const fd = openSync(path, 'r')
  try {
    const elf = new Elf(fileSource(fd))
    const dwarf = new Dwarf(elf)
    const addresses = addressesIn(elf)
    const theirs = placesBy(reader.command(path), addresses)
    expect(theirs).toHaveLength(count)
    let [known, inlined] = [0, 0]
    const differ = addresses.flatMap((address, i) => {
      const ours = dwarf.at(address, nothingShared)
      const their = theirs[i]!
      if (ours.length > 0) known++
      if (ours.length > 1) inlined++
      // Without debug information, they show names of .symtab.
      if (ours.length === 0 && their.length === 1 && their[0]!.line === 0) return []
      const [a, b] = [reader.shown(ours), reader.shown(their)]
      return a === b ? [] : [`${address.toString(16)}\n  ours   ${a}\n  theirs ${b}`]
    })
    expect(known).toBeGreaterThan(count / 10)
    expect(inlined).toBeGreaterThan(count / 100)
    expect(differ.length / known, differ.slice(0, 20).join('\n')).toBeLessThan(0.01)
  } finally {
    closeSync(fd)
  }
}

/** addr2line of Debian 12 does not understand all that clang and the linkers of gcc write. */
const [both, llvm] = [['llvm-symbolizer', 'addr2line'], ['llvm-symbolizer']]
const variants = [
  [both, 'gcc', 'c', '-O2', '-gdwarf-5'],
  [both, 'gcc', 'c', '-O3', '-gdwarf-4', '-ffunction-sections', '-Wl,--gc-sections'],
  [llvm, 'gcc', 'c', '-O2', '-g', '-gz=zlib', '-flto'],
  [both, 'g++', 'c++', '-O2', '-gdwarf-5'],
  [both, 'g++', 'c++', '-O1', '-gdwarf-3', '-gz=zlib-gnu'],
  [llvm, 'clang-16', 'c', '-O2', '-gdwarf-5'],
  [both, 'clang-16', 'c', '-O2', '-gdwarf-4'],
  [llvm, 'clang++-16', 'c++', '-O2', '-gdwarf-5', '-gdwarf64'],
  [llvm, 'clang++-16', 'c++', '-O2', '-gline-tables-only'],
  [both, 'rustc', 'rust', '-Copt-level=2', '-Cdebuginfo=2'],
] as const

function compile(command: string, language: keyof typeof sources, flags: readonly string[]): string {
  const path = join(folder, `program-${command}${flags.join('')}`.replace(/[^\w-]/g, ''))
  const rest = language === 'rust' ? ['-'] : ['-x', language, '-', '-lm']
  execFileSync(command, [...flags, '-o', path, ...rest], {
    input: sources[language],
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  return path
}

describe('lines and inlined functions', () => {
  for (const [by, command, language, ...flags] of variants) {
    const missing = [command, ...by].find((program) => !isHere(program))
    const title = `of ${command} ${flags.join(' ')} are those of ${by.join(' and ')}`
    const why = missing === undefined ? '' : ` (${missing} is not installed)`
    it.skipIf(missing !== undefined)(`${title}${why}`, { timeout: 120_000 }, () => {
      const path = compile(command, language, flags)
      for (const name of by) compare(readers[name]!, path)
    })
  }
})

describe('damaged debug information', { timeout: 120_000 }, () => {
  it.each(['-gdwarf-4', '-gdwarf-5'])('of %s has places or none, and nothing else happens', (flag) => {
    const path = compile('c++', 'c++', ['-O2', flag])
    const whole = readFileSync(path)
    const { sections } = new Elf(memorySource(whole))
    const text = sections.find(({ name }) => name === '.text')!
    const debug = sections.filter(({ name, size }) => name.startsWith('.debug_') && size > 0)
    times(150, (random) => {
      const bytes = Buffer.from(whole)
      const hits = 1 + random.below(60)
      for (let i = 0; i < hits; i++) {
        const { offset, size } = random.oneOf(debug)
        // The beginning, where the heads are, as often as the rest.
        bytes[offset + random.below(random.below(2) === 0 ? Math.min(size, 200) : size)] = random.oneOf([
          0,
          0xff,
          0x80,
          random.below(256),
        ])
      }
      const dwarf = new Dwarf(new Elf(memorySource(bytes)))
      for (let i = 0; i < 100; i++) {
        for (const { name, file, line } of dwarf.at(text.address + random.below(text.size), nothingShared)) {
          expect(name === undefined || typeof name === 'string').toBe(true)
          expect(typeof file).toBe('string')
          expect(line).toBeGreaterThanOrEqual(0)
        }
      }
    })
  })
})
