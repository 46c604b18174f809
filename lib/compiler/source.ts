/** A place in a source file. Lines and columns are counted from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The text of the line. */
  readonly text: string
}

/** Something that has a place in the source: a node of the syntax tree. */
export interface Located {
  readonly start?: number | null
  readonly end?: number | null
}

/** A mistake in a program, with the line where it is. */
export class CompileError extends Error {
  readonly code = 'ERR_BPF_COMPILE'
  readonly place: Place
  /** The message without the place. */
  readonly reason: string
  /** What to write instead. */
  readonly hint: string | undefined

  constructor(place: Place, width: number, reason: string, hint?: string) {
    const { file, line, column, text } = place
    const before = text.slice(0, column - 1).replace(/[^\t]/g, ' ')
    const caret = `${before}${'^'.repeat(Math.max(1, Math.min(width, text.length - column + 1)))}`
    super(
      `${file}:${line}:${column}: ${reason}\n\n  ${text}\n  ${caret}${hint === undefined ? '' : `\n  ${hint}`}`,
    )
    this.name = 'CompileError'
    this.place = place
    this.reason = reason
    this.hint = hint
  }
}

/** One file of a source, and where its text begins in the source. */
export interface Part {
  readonly file: string
  readonly text: string
  readonly start: number
  /** The number of its first line, among those of all files. */
  readonly firstLine: number
}

/** The text of a program: its file, followed by those that it imports. */
export class Source {
  readonly file: string
  text = ''
  readonly main: Part
  readonly #parts: Part[] = []
  readonly #lineStarts: number[] = []

  constructor(file: string, text: string) {
    this.file = file
    this.main = this.add(file, text)
  }

  /** Adds a file. */
  add(file: string, text: string): Part {
    if (this.#parts.length > 0) this.text += '\n'
    const start = this.text.length
    const part = { file, text, start, firstLine: this.#lineStarts.length + 1 }
    this.#parts.push(part)
    this.text += text
    this.#lineStarts.push(start)
    for (let i = 0; i < text.length; i++) if (text[i] === '\n') this.#lineStarts.push(start + i + 1)
    return part
  }

  place(offset: number): Place {
    const starts = this.#lineStarts
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    const start = starts[low]!
    const end = this.text.indexOf('\n', start)
    const text = this.text.slice(start, end < 0 ? undefined : end).replace(/\r$/, '')
    const { file, firstLine } = this.#parts.findLast((part) => part.start <= start)!
    return { file, line: low + 2 - firstLine, column: offset - start + 1, text }
  }

  fail(node: Located, reason: string, hint?: string): never {
    const start = node.start ?? 0
    throw new CompileError(this.place(start), (node.end ?? start + 1) - start, inSingular(reason), hint)
  }
}

/** Corrects '1 arguments' to '1 argument'. */
const inSingular = (reason: string): string =>
  reason
    .replace(/\b1 (argument|byte|element|parameter|round|value)s\b/g, '1 $1')
    .replace(/\b1 are (given|wanted)\b/, '1 is $1')
