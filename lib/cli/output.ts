// What commands print to stdout: tables for people, JSON for programs.
import { setImmediate as turn } from 'node:timers/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { jsonReplacer } from '../btf/json.js'
import { didYouMean } from '../errors/nearest.js'
import { wantsColor } from '../pictures/style.js'
import { UsageError, visible } from './command.js'

/** As bpftool has them: --pretty is JSON, too, which is always indented here. */
export const jsonOptions = {
  json: { type: 'boolean', short: 'j' },
  pretty: { type: 'boolean', short: 'p' },
} as const

export const isJson = ({
  json,
  pretty,
}: {
  json?: boolean | undefined
  pretty?: boolean | undefined
}): boolean => json === true || pretty === true

/** Parses the options of a command. */
export function parseOptions<T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>> {
  try {
    // Negative numbers are values, not options.
    const protectedArgs = args.map((word) => (/^-\.?\d/.test(word) ? `\0${word}` : word))
    const parsed = parseArgs({ args: protectedArgs, options, allowPositionals: true })
    return { ...parsed, positionals: parsed.positionals.map((word) => word.replace(/^\0/, '')) }
  } catch (error) {
    // Node.js adds a hint about arguments that begin like options, which nobody needs here.
    const { code, message } = error as NodeJS.ErrnoException
    const [, option] = (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && /'(--?[^']+)'/.exec(message)) || []
    if (option === undefined) throw new UsageError(message)
    const known = Object.keys(options).map((name) => `--${name}`)
    throw new UsageError(`unknown option '${option}'${didYouMean(option, known)}`)
  }
}

/** Checks that a word is one of `words`. */
export function oneOf<W extends string>(what: string, words: readonly W[], word: string | undefined): W {
  const found = words.find((known) => known === word)
  if (found !== undefined) return found
  const problem = word === undefined ? `${what} missing` : `unknown ${what} '${word}'`
  throw new UsageError(`${problem}; expected ${words.join(', ')}`)
}

/** Refuses arguments that are left over. */
export function expectNoMore(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`unexpected argument '${words[0]}'`)
}

export function idOf(text: string | undefined): number {
  if (text === undefined) throw new UsageError('ID missing')
  const id = Number(text)
  if (!/^\d+$/.test(text) || id > 0xffffffff) throw new UsageError(`'${text}' is not a valid id`)
  return id
}

/** The width of the terminal; 80 without one. */
export const columns = (): number => process.stdout.columns || 80

export interface Column {
  title: string
  /** For numbers. */
  align?: 'right'
}

export const right = (title: string): Column => ({ title, align: 'right' })

/**
 * Lines of columns that fit the width. Cells that are too long continue in the next line: first those of the last
 * column, and those of other columns with text if the last one would become too narrow. Numbers stay whole.
 */
export function table(
  head: readonly (string | Column)[],
  rows: readonly (readonly (string | number | bigint | undefined)[])[],
  width = columns(),
): string {
  const titles = head.map((column) => (typeof column === 'string' ? { title: column } : column) as Column)
  const cells = rows.map((row) => titles.map((_, i) => visible(String(row[i] ?? ''))))
  const widths = widthsWithin(titles, cells, width)
  const line = (row: readonly string[]): string => {
    const pieces = row.map((cell, i) => wrap(cell, widths[i]!))
    const height = Math.max(...pieces.map(({ length }) => length))
    return Array.from({ length: height }, (_, i) =>
      pieces
        .map((cell, column) => {
          const piece = cell[i] ?? ''
          return titles[column]!.align === 'right'
            ? piece.padStart(widths[column]!)
            : piece.padEnd(widths[column]!)
        })
        .join('  ')
        .trimEnd(),
    ).join('\n')
  }
  return `${[titles.map(({ title }) => title), ...cells].map(line).join('\n')}\n`
}

/** Columns of text do not become narrower than this. */
const narrow = 8

/** The widths of columns, so that all of them fit into `width` if that is possible. */
function widthsWithin(
  titles: readonly Column[],
  cells: readonly (readonly string[])[],
  width: number,
): number[] {
  const widths = titles.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const last = widths.length - 1
  const least = (i: number, wanted: number): number =>
    titles[i]!.align === 'right'
      ? widths[i]!
      : Math.max(titles[i]!.title.length, Math.min(wanted, widths[i]!))
  const shrink = (i: number, to: number): void => {
    const total = widths.reduce((sum, one) => sum + one + 2, -2)
    widths[i] = Math.max(least(i, to), widths[i]! - Math.max(total - width, 0))
  }
  shrink(last, 2 * narrow)
  // The widest column gives way first, character by character.
  for (;;) {
    const total = widths.reduce((sum, one) => sum + one + 2, -2)
    const wide = widths.map((_, i) => i).filter((i) => widths[i]! > least(i, narrow))
    const widest = wide.sort((a, b) => widths[b]! - widths[a]!)[0]
    if (total <= width || widest === undefined) return widths
    widths[widest]!--
  }
}

/** Breaks text into lines between words, and words that are longer than a line anywhere. */
export function wrap(text: string, width: number): string[] {
  const lines = ['']
  for (let word of text.split(' ')) {
    for (;;) {
      const line = lines.at(-1)!
      const joined = line === '' ? word : `${line} ${word}`
      if (joined.length <= width) {
        lines[lines.length - 1] = joined
        break
      }
      if (line !== '') lines.push('')
      else {
        lines[lines.length - 1] = word.slice(0, width)
        word = word.slice(width)
        lines.push('')
      }
    }
  }
  return lines.at(-1) === '' && lines.length > 1 ? lines.slice(0, -1) : lines
}

/** One line per pair of a name and a value. */
export function listing(pairs: readonly (readonly [string, string | number | bigint | undefined])[]): string {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown
    .map(([name, value]) => {
      const lines = wrap(visible(String(value)), Math.max(columns() - width - 2, 16))
      return lines.map((line, i) => `${(i === 0 ? name : '').padEnd(width)}  ${line}`.trimEnd()).join('\n')
    })
    .join('\n')
    .concat('\n')
}

export function print(text: string): void {
  process.stdout.write(text)
}

/** Prints piece by piece, because a large map may not fit into one string and the reader may stop early. */
export async function printPieces(pieces: Iterable<string>): Promise<void> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length < 1 << 16) continue
    print(text)
    text = ''
    // Lets the event loop report that nobody reads any more.
    await turn()
  }
  print(text)
}

/** Like {@link printJson} of an array, element by element. */
export async function printJsonArray(elements: Iterable<unknown>): Promise<void> {
  await printPieces(jsonPieces(elements))
}

function* jsonPieces(elements: Iterable<unknown>): Generator<string> {
  let before = '['
  for (const element of elements) {
    yield `${before}\n  ${toJson(element, 2).replaceAll('\n', '\n  ')}`
    before = ','
  }
  yield before === '[' ? '[]\n' : '\n]\n'
}

export function printJson(value: unknown): void {
  print(`${toJson(value, 2)}\n`)
}

/** JSON as {@link jsonReplacer} defines it, without characters that control a terminal. */
export function toJson(value: unknown, indent?: number): string {
  // JSON.stringify escapes those below 0x20 itself.
  return JSON.stringify(value, jsonReplacer, indent).replace(
    /[\x7f-\x9f]/g,
    (c) => `\\u00${c.charCodeAt(0).toString(16)}`,
  )
}

const colors = { red: 31, green: 32, yellow: 33 } as const

/** Colors text on a terminal, unless NO_COLOR is set. */
export function paint(color: keyof typeof colors, text: string): string {
  return wantsColor() ? `\x1b[${colors[color]}m${text}\x1b[0m` : text
}

/** Formats processes as `node(17), agent(18)`. */
export function holderNames(holders: readonly { pid: number; comm: string }[] | undefined): string {
  return (holders ?? []).map(({ comm, pid }) => `${comm}(${pid})`).join(', ')
}
