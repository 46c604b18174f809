import type { SourceLine } from '../errors/errors.js'

/** What an address stands for. */
export interface Frame {
  readonly address: bigint
  /**
   * The function: demangled if it is C++ or Rust, `malloc@plt` for a call into another file, and for JavaScript what
   * V8 calls it. `undefined` if nobody knows, and `why` says why.
   */
  readonly name: string | undefined
  /** Bytes from the beginning of the function; 0 without a name. */
  readonly offset: number
  /** `kernel`, `module`, `bpf`, `file` for programs and libraries, or `jit` for code that was made at run time. */
  readonly kind: 'kernel' | 'module' | 'bpf' | 'file' | 'jit' | 'unknown'
  /** The path of the file, `[kernel]`, the module or program as `[xfs]`, `[bpf]`, `[vdso]`, or `[jit]`. */
  readonly module: string
  /** The line of a BPF program that was compiled with `-g`. */
  readonly source?: SourceLine
  /** Why there is no name. */
  readonly why?: string
}

export const unknown = (address: bigint, why: string, module = '[unknown]'): Frame => ({
  address,
  name: undefined,
  offset: 0,
  kind: 'unknown',
  module,
  why,
})
