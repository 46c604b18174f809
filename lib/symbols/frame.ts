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
   * The function's name: demangled for C++ and Rust, `malloc@plt` for a call into another file, and V8's name for a
   * JavaScript function. If it is `undefined`, `why` says why.
   */
  readonly name: string | undefined
  /** Bytes from the beginning of the function; 0 without a name. */
  readonly offset: number
  /** `kernel`, `module`, `bpf`, `file` for programs and libraries, or `jit` for code that was generated at run time. */
  readonly kind: 'kernel' | 'module' | 'bpf' | 'file' | 'jit' | 'unknown'
  /** The path of the file, or `[kernel]`, the name of a kernel module such as `[xfs]`, `[bpf]`, `[vdso]` or `[jit]`. */
  readonly module: string
  /**
   * The source line: for BPF programs and, with the option `lines`, also for programs and libraries whose debug
   * information is found. If functions were inlined at the address, it is the line of the call.
   */
  readonly source?: SourcePlace
  /** The functions that the compiler inlined there, the innermost first, with the option `lines`. */
  readonly inlined?: readonly Frame[]
  /** Whether this is an inlined function, which has no machine code of its own. */
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
