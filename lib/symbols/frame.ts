/** A place in the source of a program. */
export interface SourcePlace {
  /** The path of the file, as the compiler was given it. */
  readonly file: string
  readonly line: number
  /** The line itself, for BPF programs. */
  readonly text?: string
}

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
  /**
   * The line of the source: of BPF programs, and with the option `lines` also of programs and libraries whose debug
   * information is there. If functions were inlined at the address, it is the line of the call.
   */
  readonly source?: SourcePlace
  /** The functions that the compiler inlined there, the innermost first, with the option `lines`. */
  readonly inlined?: readonly Frame[]
  /** Whether this is one of them, and so has no machine code of its own. */
  readonly isInlined?: true
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
