// Random arguments of `libbpf-node`: the command works, or it explains in a sentence why it does not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { command as btf } from '../../lib/cli/btf.js'
import { type Command, exitCodes, isForPeople, UsageError, visible } from '../../lib/cli/command.js'
import { command as doctor } from '../../lib/cli/doctor.js'
import { command as gen } from '../../lib/cli/gen.js'
import { command as link } from '../../lib/cli/link.js'
import { command as map } from '../../lib/cli/map.js'
import { idOf, listing, oneOf, parseOptions, printJson, table, wrap } from '../../lib/cli/output.js'
import { command as prog } from '../../lib/cli/prog.js'
import { libbpfNode } from '../codegen/helper.js'
import { objectPath } from '../helpers/objects.js'
import { type Random, randomOf, times } from '../helpers/random.js'

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

let printed = ''
beforeEach(() => {
  printed = ''
  const collect = (text: string | Uint8Array): boolean => {
    printed += text
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(collect)
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
})
afterEach(() => vi.restoreAllMocks())

const nonsense = [
  '',
  '-',
  '--',
  '--json=1',
  '--no-json',
  '-x',
  '--type',
  '--type=',
  '0',
  '-1',
  '4294967296',
  '1e3',
  '0x1',
  ' 1',
  '9'.repeat(400),
  '__proto__',
  'constructor',
  '\x1b[2J',
  '../..',
  '/proc/self/mem',
  '\ud800',
]

/** Runs a command, and fails if it would show a stack. */
async function outcome(command: Command, args: string[]): Promise<unknown> {
  const shown = `${command.summary}: ${JSON.stringify(args)}`
  try {
    const code = await command.run(args)
    expect(Object.values(exitCodes), shown).toContain(code)
    return code
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isExplained = error instanceof UsageError || isForPeople(error)
    if (!isExplained) throw new Error(`${shown} shows a stack`, { cause: error })
    expect(error.message, shown).toMatch(/\S/)
    expect(error.message, shown).not.toMatch(/undefined|\[object/)
    return error
  }
}

/** An object file, possibly damaged. */
function damagedObject({ below, oneOf }: Random, name: string): string {
  const bytes = readFileSync(objectPath(oneOf(['exec', 'maps', 'globals', 'ring'])))
  const path = join(folder, name)
  const cut = below(3) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes
  for (let flips = below(12); flips > 0 && cut.length > 0; flips--) cut[below(cut.length)]! ^= 1 << below(8)
  writeFileSync(path, cut)
  return path
}

describe('libbpf-node COMMAND', () => {
  const verbs = [
    'list',
    'show',
    'dump',
    'xlated',
    'jited',
    '--json',
    '--opcodes',
    'vmlinux',
    '--type',
    'list_head',
  ]

  it('returns an exit code or explains the error for any arguments', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const { oneOf, several, text } = randomOf(seed)
      const args = several(4, () => oneOf([...verbs, ...verbs, ...nonsense, text(6)]))
      // Writing all of the kernel's types a hundred times would take too long.
      if (args.includes('vmlinux') || args[0] === 'dump') args.push('--type', 'list_head')
      await outcome(oneOf([prog, map, link, btf]), args)
    }
  })

  it('explains what is wrong with damaged files', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomOf(seed)
      const path = damagedObject(random, `${seed}.bpf.o`)
      await outcome(btf, ['dump', path, ...random.oneOf([[], ['--type', 'event']])])
      const target = ['-o', join(folder, `${seed}.ts`)]
      await outcome(gen, [
        path,
        ...target,
        ...random.oneOf([[], ['--type', 'event'], ['--record', 'events=event']]),
      ])
      if (seed % 6 === 0) await outcome(doctor, ['--json', path])
    }
  })

  it('shows no stack when it is run as a process', { timeout: 120_000 }, async () => {
    const calls = [
      ...[['nothing'], ['__proto__'], ['help', '\x1b[2J'], ['map', 'show', '0'], ['top', '-i', 'x']],
      ...[
        ['gen', '/nothing.c'],
        ['btf', 'dump', '/proc/self/exe'],
        ['btf', 'dump', '--type', 'no_such_type'],
      ],
      ...[
        ['gen', '--record', '=', 'x.c'],
        ['map', 'dump', '99999999'],
      ],
    ]
    for (const args of calls) {
      const { status, stderr } = await libbpfNode(args)
      expect([1, 2], args.join(' ')).toContain(status)
      expect(stderr).toMatch(/^libbpf-node/)
      expect(stderr).not.toMatch(/^ +at /m)
      expect(stderr).not.toContain('\x1b')
    }
  })
})

describe('the parsing of arguments', () => {
  it('accepts ids and nothing else as ids', () => {
    times(500, ({ below, oneOf, text }) => {
      const id = below(2 ** 32)
      expect(idOf(String(id))).toBe(id)
      const word = oneOf([...nonsense, text(4)])
      if (/^\d{1,9}$/.test(word)) return
      expect(() => idOf(word)).toThrow(UsageError)
    })
  })

  it('accepts known options and words, and refuses other options', () => {
    const options = { json: { type: 'boolean' }, type: { type: 'string', multiple: true } } as const
    times(500, ({ oneOf, several, text }) => {
      const args = several(6, () => oneOf([...nonsense, '--json', '--type', 'a', text(5)]))
      try {
        const { positionals, values } = parseOptions(args, options)
        for (const word of positionals) expect(args).toContain(word)
        expect([true, undefined]).toContain(values.json)
        expect(Object.getPrototypeOf(values)?.json).toBeUndefined()
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
      }
      const word = oneOf(nonsense)
      expect(() => oneOf_(word)).toThrow(UsageError)
    })
  })
})

const oneOf_ = (word: string): string => oneOf('action', ['list', 'show'], word)

describe('the output', () => {
  it('as JSON can be parsed to the same value', () => {
    times(500, (random) => {
      const value = json(random)
      printed = ''
      printJson(value)
      expect(JSON.parse(printed)).toEqual(expected(value))
    })
  })

  it('as a table has all cells, lines that fit, and no control characters', () => {
    times(500, ({ below, several, text }) => {
      const width = 20 + below(100)
      const rows = several(6, () => [text(8), below(1000), text(40)])
      const shown = table(['first', { title: 'number', align: 'right' }, 'last'], rows, width)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: this test is about them
      expect(shown).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
      // The numbers and 8 columns of text in each of the other two are the least that is needed.
      for (const line of shown.split('\n')) expect(line.length).toBeLessThanOrEqual(Math.max(width, 26))
      // A cell that continues in the next line is interrupted by its neighbors, so only its characters can be compared.
      const characters = (text: string) => text.replace(/\s/g, '').split('').sort().join('')
      const cells = rows.flat().map((cell) => visible(String(cell)))
      expect(characters(shown)).toBe(characters(['first', 'number', 'last', ...cells].join('')))
      expect(listing([['name', text(30)]])).toMatch(/^name|^\n/)
    })
  })

  it('in lines has all words and no line that is too long', () => {
    times(500, ({ below, text }) => {
      const [words, width] = [text(60), 1 + below(30)]
      const lines = wrap(words, width)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
      expect(lines.join('').replaceAll(' ', '')).toBe(words.replaceAll(' ', ''))
    })
  })
})

type Json = null | boolean | number | bigint | string | Uint8Array | Json[] | { [name: string]: Json }

function json(random: Random, depth = 0): Json {
  const { below, oneOf, several, text, bytes } = random
  switch (below(depth > 3 ? 6 : 8)) {
    case 0:
      return oneOf([null, true, false])
    case 1:
      return below(2 ** 31) - 2 ** 30
    case 2:
      return oneOf([0n, 5n, -7n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n)])
    case 3:
      return oneOf([new Uint8Array(0), bytes(5)])
    case 4:
    case 5:
      return text(10)
    case 6:
      return several(4, () => json(random, depth + 1))
    default:
      return Object.fromEntries(several(4, () => [text(4), json(random, depth + 1)]))
  }
}

/** The value after parsing: bigints are numbers if that is exact, and bytes are hexadecimal. */
function expected(value: Json): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(expected)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, expected(one)]))
  }
  return value
}
