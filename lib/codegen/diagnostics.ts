/** Something that clang says about a place in the source. */
export interface Diagnostic {
  /** The file as clang names it: relative to the folder of the source, or absolute. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1, in bytes. */
  readonly column: number
  /** A note belongs to the error or warning before it. */
  readonly severity: 'error' | 'warning' | 'note'
  readonly message: string
  /** The option that turns a warning off, such as `-Wunused-variable`. */
  readonly option?: string
}

const pattern = /^(.+?):(\d+):(\d+): (fatal error|error|warning|note): (.*?)(?: \[(-W[^\]]+)\])?$/gm

/** Finds the diagnostics in what clang printed. */
export function diagnosticsIn(output: string): Diagnostic[] {
  return [...output.matchAll(pattern)].map(([, file, line, column, severity, message, option]) => ({
    file: file!,
    line: Number(line),
    column: Number(column),
    severity: severity!.replace('fatal ', '') as Diagnostic['severity'],
    message: message!,
    ...(option !== undefined && { option }),
  }))
}
