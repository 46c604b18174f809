/** What the comments of C source say, by what they stand at: BTF has none of them. */
export interface Comments {
  /** Structs, unions and enums by their name, or their typedef's. */
  readonly types: ReadonlyMap<string, Commented>
  /** Variables, maps and functions. */
  readonly globals: ReadonlyMap<string, string>
}

/** A struct, union or enum, and what is said of it. */
export interface Commented {
  readonly words: string
  readonly members: Map<string, CommentedMember>
}

export interface CommentedMember {
  readonly words: string
  /** Of a member whose type is declared with it. */
  readonly type: Commented | undefined
}

/**
 * Reads the comments that stand before a declaration, with no empty line between, and behind it on its line. It knows as much of C as finds
 * declarations: macros are not expanded, and what it doesn't understand has no comment.
 */
export function readComments(sources: Iterable<string>): Comments {
  const types = new Map<string, Commented>()
  const globals = new Map<string, string>()
  for (const source of sources) new Reader(source, types, globals).read()
  return { types, globals }
}

interface Token {
  readonly kind: 'comment' | 'word' | 'sign' | 'end'
  readonly text: string
  /** The lines that it begins and ends in. */
  readonly line: number
  readonly last: number
  readonly column: number
}

const end: Token = { kind: 'end', text: '', line: Infinity, last: Infinity, column: 0 }

const pattern = new RegExp(
  [
    String.raw`(?<comment>\/\*[^]*?\*\/|\/\/(?:\\\n|.)*)`,
    String.raw`^[ \t]*#(?:\\\n|\/\*[^]*?\*\/|.)*`,
    String.raw`"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'`,
    String.raw`(?<word>[A-Za-z_]\w*)`,
    String.raw`(?<sign>[^\s\w])`,
  ].join('|'),
  'gm',
)

/** Words, signs and comments: numbers, strings and the preprocessor's lines are of no interest. */
function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let [line, start, at] = [1, 0, 0]
  for (const { 0: text, index, groups = {} } of source.matchAll(pattern)) {
    for (; at < index; at++) if (source[at] === '\n') [line, start] = [line + 1, at + 1]
    const kind = (['comment', 'word', 'sign'] as const).find((one) => groups[one] !== undefined)
    const last = line + text.split('\n').length - 1
    if (kind !== undefined) tokens.push({ kind, text, line, last, column: index - start })
  }
  return tokens
}

interface Declaration {
  readonly names: readonly string[]
  readonly words: string
  readonly isTypedef: boolean
  readonly type: Commented | undefined
}

/** Clang takes no more brackets in each other. */
const deepest = 256

class Reader {
  readonly #tokens: readonly Token[]
  readonly #types: Map<string, Commented>
  readonly #globals: Map<string, string>
  #at = 0
  #depth = 0

  constructor(source: string, types: Map<string, Commented>, globals: Map<string, string>) {
    this.#tokens = tokensOf(source)
    this.#types = types
    this.#globals = globals
  }

  read(): void {
    while (this.#peek() !== end) {
      const { names, words, isTypedef, type } = this.#declaration()
      for (const name of names) {
        if (!isTypedef) this.#globals.set(name, words)
        else if (type !== undefined) this.#types.set(name, type)
      }
      // One too many.
      if (this.#is('}')) this.#next()
    }
  }

  // ---- Declarations

  #declaration(): Declaration {
    const before = this.#before()
    const names: string[] = []
    let name: string | undefined
    let called: string | undefined
    let type: Commented | undefined
    let isTypedef = false
    while (this.#peek() !== end && !this.#is('}')) {
      const { kind, text } = this.#next()
      if (text === ';') break
      if (text === 'typedef') isTypedef = true
      else if (['struct', 'union', 'enum'].includes(text)) type = this.#type(text, before) ?? type
      else if (kind === 'word' && this.#is('(')) called = this.#called(text) ?? called
      // Those that begin with `__` may stand behind a name: __kconfig, __hidden.
      else if (kind === 'word') name = text.startsWith('__') ? (name ?? text) : text
      else if (text === '(' || text === '[') this.#skip()
      else if (text === '{') {
        this.#skip()
        if (called !== undefined) break
      } else if (text === ':' || text === '=') this.#skipTo(';', ',')
      else if (text === ',' && name !== undefined) {
        names.push(name)
        name = undefined
      }
    }
    if (called !== undefined && names.length === 0) names.push(called)
    else if (name !== undefined) names.push(name)
    return { names, words: joined(before, this.#behind()), isTypedef, type }
  }

  /** What a function or macro with arguments declares: of BPF_PROG(name, ...) its first. */
  #called(word: string): string | undefined {
    this.#next()
    const isPointer = this.#is('*')
    const first = this.#skip()
    if (isPointer || /^(SEC|LIBBPF_NODE_DOC|LIBBPF_NODE_RECORD|__.*)$/.test(word)) return undefined
    return /^[A-Z][A-Z0-9_]*$/.test(word) ? first : word
  }

  /** What follows `struct`, if it has its members here. */
  #type(kind: string, before: string): Commented | undefined {
    let name: string | undefined
    while (name === undefined && this.#peek().kind === 'word') {
      const { text } = this.#next()
      if (this.#is('(')) this.#called(text)
      else name = text
    }
    if (!this.#is('{')) return undefined
    this.#next()
    if (this.#depth === deepest) {
      this.#skip()
      return undefined
    }
    this.#depth++
    const type = { words: joined(before, this.#behind()), members: new Map<string, CommentedMember>() }
    while (this.#peek() !== end && !this.#is('}')) {
      if (kind === 'enum') this.#enumerator(type)
      else this.#member(type)
    }
    this.#next()
    this.#depth--
    if (name !== undefined) this.#types.set(name, type)
    return type
  }

  #member({ members }: Commented): void {
    const { names, words, type } = this.#declaration()
    for (const name of names) members.set(name, { words, type })
    // Those of an anonymous struct are members of what it is in.
    if (names.length === 0) for (const [name, member] of type?.members ?? []) members.set(name, member)
  }

  #enumerator({ members }: Commented): void {
    const before = this.#before()
    const { text } = this.#next()
    this.#skipTo(',')
    if (this.#is(',')) this.#next()
    members.set(text, { words: joined(before, this.#behind()), type: undefined })
  }

  // ---- Tokens

  /** The next one that is no comment. */
  #peek(): Token {
    return this.#tokens[this.#index] ?? end
  }

  get #index(): number {
    let index = this.#at
    while (this.#tokens[index]?.kind === 'comment') index++
    return index
  }

  #next(): Token {
    const token = this.#peek()
    this.#at = this.#index + 1
    return token
  }

  #is(sign: string): boolean {
    return this.#peek().text === sign
  }

  /** Goes behind the bracket that closes the one that has been read. Gives the first word between them. */
  #skip(): string | undefined {
    let first: string | undefined
    for (let depth = 1; depth > 0 && this.#peek() !== end; ) {
      const { kind, text } = this.#next()
      if (kind === 'word') first ??= text
      else if ('([{'.includes(text)) depth++
      else if (')]}'.includes(text)) depth--
    }
    return first
  }

  /** Goes to one of these signs, or to what closes the declaration. */
  #skipTo(...signs: string[]): void {
    while (this.#peek() !== end && !this.#is('}') && !signs.includes(this.#peek().text)) {
      if ('([{'.includes(this.#next().text)) this.#skip()
    }
  }

  // ---- Comments

  /** Those before the next token, if no empty line is between. */
  #before(): string {
    const comments = this.#tokens.slice(this.#at, this.#index)
    let { line } = this.#peek()
    const from = comments.findLastIndex((comment) => {
      const isApart = comment.last < line - 1
      line = comment.line
      return isApart
    })
    return wordsOf(comments.slice(from + 1))
  }

  /** Those behind the last token, on its line; they go on below each other. */
  #behind(): string {
    const first = this.#at
    let { last: line, column } = this.#tokens[first - 1] ?? end
    for (; this.#tokens[this.#at]?.kind === 'comment'; this.#at++) {
      const comment = this.#tokens[this.#at]!
      const goesOn = this.#at > first && comment.line === line + 1 && comment.column === column
      if (comment.line !== line && !goesOn) break
      line = comment.last
      column = comment.column
    }
    return wordsOf(this.#tokens.slice(first, this.#at))
  }
}

function joined(...words: string[]): string {
  return words.filter((one) => one !== '').join(' ')
}

/** The text of comments, without what is for tools or only decoration. */
function wordsOf(comments: readonly Token[]): string {
  const lines = comments
    .flatMap(({ text }) => text.replace(/^\/(\*+|\/+)[!<]*|\*+\/$/g, '').split('\n'))
    .map((line) => line.replace(/^\s*\*+(?=\s|$)/, '').trim())
  return lines
    .filter((line) => /\p{L}/u.test(line) && !/^(SPDX-|Copyright|clang-format|NOLINT)/.test(line))
    .join(' ')
}
