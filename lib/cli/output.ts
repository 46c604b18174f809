// What sub-commands print: tables for people, JSON for programs. Both go to stdout.
import { setImmediate as turn } from 'node:timers/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError, visible } from './command.js'

/** Options of a sub-command, checked. */
export function parseOptions<T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** One of a few words. */
export function oneOf<W extends string>(what: string, words: readonly W[], word: string | undefined): W {
  const found = words.find((known) => known === word)
  if (found !== undefined) return found
  const given = word === undefined ? `no ${what} is given` : `there is no ${what} '${word}'`
  throw new UsageError(`${given}: it is one of ${words.join(', ')}`)
}

/** Words that nothing would be done with. */
export function expectNoMore(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`'${words[0]}' is one word too many`)
}

/** `list`, or another action and what it is for. */
export function actionOf<V extends string>(
  verbs: readonly V[],
  [word, ...words]: readonly string[],
): [verb: V, what: string | undefined] {
  const verb = oneOf('action', verbs, word)
  const what = verb === 'list' ? undefined : words.shift()
  expectNoMore(words)
  return [verb, what]
}

export function idOf(text: string | undefined): number {
  if (text === undefined) throw new UsageError('no ID is given')
  const id = Number(text)
  if (!/^\d+$/.test(text) || id > 0xffffffff) throw new UsageError(`'${text}' is no id`)
  return id
}

/** A terminal's width; 80 columns where there is none. */
export const columns = (): number => process.stdout.columns || 80

export interface Column {
  title: string
  /** Numbers look better at the right. */
  align?: 'right'
}

export const right = (title: string): Column => ({ title, align: 'right' })

/** Lines of columns; the last one goes on in the next line where the width ends. */
export function table(
  head: readonly (string | Column)[],
  rows: readonly (readonly (string | number | bigint | undefined)[])[],
  width = columns(),
): string {
  const titles = head.map((column) => (typeof column === 'string' ? { title: column } : column) as Column)
  const cells = rows.map((row) => titles.map((_, i) => visible(String(row[i] ?? ''))))
  const widths = titles.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
  const room = Math.max(width - before, 16)
  const line = (row: readonly string[]): string => {
    const start = row.slice(0, -1).map((cell, i) => {
      const padded = titles[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
      return `${padded}  `
    })
    const last = row.at(-1)!
    const text = titles.at(-1)!.align === 'right' ? last.padStart(widths.at(-1)!) : last
    const pieces = text.length <= room ? [text] : wrap(last, room)
    return pieces
      .map((piece, i) => (i === 0 ? start.join('') : ' '.repeat(before)) + piece)
      .map((l) => l.trimEnd())
      .join('\n')
  }
  return `${[titles.map(({ title }) => title), ...cells].map(line).join('\n')}\n`
}

/** Lines of whole words; a word that is longer than a line is broken. */
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

/** Names and what they are, one a line. */
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

/** Piece by piece: all of a large map need not fit into a string, and nobody may want to see it to its end. */
export async function printPieces(pieces: Iterable<string>): Promise<void> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length < 1 << 16) continue
    print(text)
    text = ''
    // Time to hear that nobody reads on.
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
    yield `${before}\n  ${JSON.stringify(element, plain, 2).replaceAll('\n', '\n  ')}`
    before = ','
  }
  yield before === '[' ? '[]\n' : '\n]\n'
}

/** Bigints that a number holds are numbers, larger ones strings; bytes are hexadecimal digits. */
export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, plain, 2)}\n`)
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : String(value)
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof BigUint64Array) return [...value]
  if (value instanceof globalThis.Map) return Object.fromEntries(value)
  if (value === Number.POSITIVE_INFINITY) return 'unlimited'
  return value
}

const colours = { red: 31, green: 32, yellow: 33 } as const

/** On a terminal, unless NO_COLOR is set. */
export function paint(colour: keyof typeof colours, text: string): string {
  const wanted =
    process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb'
  return wanted ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text
}

/** 'node(17), agent(18)' */
export function holderNames(holders: readonly { pid: number; comm: string }[] | undefined): string {
  return (holders ?? []).map(({ comm, pid }) => `${comm}(${pid})`).join(', ')
}
