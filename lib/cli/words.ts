// What follows a command: words with values, as bpftool has them, such as `pinned PATH` and `key 1 value 2`.
import { UsageError } from './command.js'
import { idOf } from './output.js'

/** The words that have not been read yet. */
export class Words {
  readonly #words: string[]

  constructor(words: readonly string[]) {
    this.#words = [...words]
  }

  get isEmpty(): boolean {
    return this.#words.length === 0
  }

  /** The next word without taking it. */
  get first(): string | undefined {
    return this.#words[0]
  }

  has(word: string): boolean {
    return this.#words.includes(word)
  }

  /** @param what - for the error: 'PATH' */
  next(what: string): string {
    const word = this.#words.shift()
    if (word === undefined || word === '') throw new UsageError(`${what} missing`)
    return word
  }

  /** Takes a word if it is the next one. */
  skip(word: string): boolean {
    if (this.first !== word) return false
    this.#words.shift()
    return true
  }

  expect(word: string): void {
    if (!this.skip(word))
      throw new UsageError(`expected '${word}'${this.first === undefined ? '' : `, not '${this.first}'`}`)
  }

  /** The words before one of `ends`, or all. */
  until(...ends: readonly string[]): string[] {
    const found = this.#words.findIndex((word) => ends.includes(word))
    return this.#words.splice(0, found < 0 ? this.#words.length : found)
  }

  end(): void {
    if (!this.isEmpty) throw new UsageError(`unexpected argument '${this.first}'`)
  }

  number(what: string): number {
    const word = this.next(what)
    const value = Number(word)
    if (!/^(?:\d+|0x[\da-f]+)$/i.test(word) || value > 0xffffffff)
      throw new UsageError(`${what} '${word}' is not a number`)
    return value
  }
}

/** How a program, a map or a link is named on the command line. */
export type Reference =
  | { readonly by: 'id'; readonly id: number }
  | { readonly by: 'pinned' | 'tag' | 'name'; readonly text: string }

/** Reads `id N`, `N`, `pinned PATH`, `tag TAG` or `name NAME`. */
function referenceIn(words: Words, ways: readonly Reference['by'][]): Reference {
  const way = ways.find((one) => words.first === one)
  if (way === undefined) {
    const forms = ways.map((one) => `${one} ${one === 'pinned' ? 'PATH' : one.toUpperCase()}`).join(', ')
    if (words.first === undefined) throw new UsageError(`ID missing; expected an id, or ${forms}`)
    if (!/^\d+$/.test(words.first))
      throw new UsageError(`'${words.first}' is not a valid id; expected an id, or ${forms}`)
    return { by: 'id', id: idOf(words.next('ID')) }
  }
  words.skip(way)
  return way === 'id'
    ? { by: 'id', id: idOf(words.next('ID')) }
    : { by: way, text: words.next(way.toUpperCase()) }
}

export const programIn = (words: Words): Reference => referenceIn(words, ['id', 'pinned', 'tag', 'name'])
export const mapIn = (words: Words): Reference => referenceIn(words, ['id', 'pinned', 'name'])
export const linkIn = (words: Words): Reference => referenceIn(words, ['id', 'pinned'])
