import { type Diagnostic, diagnosticsIn } from './diagnostics.js'

/** An error: a program could not be compiled. */
export class CompileError extends Error {}

/** clang failed. The message contains its output and its command line. */
export class ClangError extends CompileError {
  readonly code = 'ERR_BPF_COMPILE'
  /** What clang printed. */
  readonly output: string
  /** The errors, warnings and notes in it. */
  readonly diagnostics: readonly Diagnostic[]

  constructor(message: string, output: string) {
    super(message)
    this.name = 'ClangError'
    this.output = output
    this.diagnostics = diagnosticsIn(output)
  }
}
