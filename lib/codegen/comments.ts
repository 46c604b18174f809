/** The comments in C source, by what they document. BTF contains no comments. */
export interface Comments {
  /** Comments of structs, unions and enums, by their name or the name of their typedef. */
  readonly types: ReadonlyMap<string, Commented>
  /** Comments of variables, maps and functions. */
  readonly globals: ReadonlyMap<string, string>
}

/** The comments of a struct, union or enum. */
export interface Commented {
  readonly words: string
  readonly members: Map<string, CommentedMember>
}

export interface CommentedMember {
  readonly words: string
  /** The comments of the member's type, if it is declared together with the member. */
  readonly type: Commented | undefined
}

/**
 * Reads the comments directly before a declaration and those after it on the same line. It knows just enough C to find
 * declarations: it does not expand macros, and a declaration that it does not understand gets no comment.
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
  /** The lines in which it begins and ends. */
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

/** Returns words, signs and comments. Numbers, strings and preprocessor lines are left out. */
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

/** How deep brackets may be nested. Clang has the same limit. */
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
      // A closing bracket without an opening one.
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
      // Words that begin with `__` may follow a name: __kconfig, __hidden.
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

  /** Returns the name that a function or a macro with arguments declares: the first argument of BPF_PROG(name, ...). */
  #called(word: string): string | undefined {
    this.#next()
    const isPointer = this.#is('*')
    const first = this.#skip()
    if (isPointer || /^(SEC|LIBBPF_NODE_DOC|LIBBPF_NODE_RECORD|__.*)$/.test(word)) return undefined
    return /^[A-Z][A-Z0-9_]*$/.test(word) ? first : word
  }

  /** Reads what follows `struct`, if it is a definition. */
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
    // Members of an anonymous struct belong to the struct around it.
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

  /** Returns the next token that is not a comment. */
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

  /** Skips everything up to the bracket that closes the last one. Returns the first word in between. */
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

  /** Skips everything up to one of these signs, or up to the end of the declaration. */
  #skipTo(...signs: string[]): void {
    while (this.#peek() !== end && !this.#is('}') && !signs.includes(this.#peek().text)) {
      if ('([{'.includes(this.#next().text)) this.#skip()
    }
  }

  // ---- Comments

  /** Returns the comments before the next token, if there is no empty line in between. */
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

  /** Returns the comments behind the last token on its line, and their continuation in the lines below. */
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

/** Returns the text of comments without decoration, and without lines for tools. */
function wordsOf(comments: readonly Token[]): string {
  const lines = comments
    .flatMap(({ text }) => text.replace(/^\/(\*+|\/+)[!<]*|\*+\/$/g, '').split('\n'))
    .map((line) => line.replace(/^\s*\*+(?=\s|$)/, '').trim())
  return lines
    .filter((line) => /\p{L}/u.test(line) && !/^(SPDX-|Copyright|clang-format|NOLINT)/.test(line))
    .join(' ')
}
