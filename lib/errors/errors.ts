import type { BpfErrorCode } from './codes.js'

/** What an error is about. */
export interface BpfErrorDetails {
  /** One of the library's own codes, or the name of an errno ('EPERM', 'ENOTSUPP', 'LIBBPF_ERRNO__FORMAT'). */
  code: BpfErrorCode | (string & {})
  /** The positive errno; 0 when no system call was made. */
  errno?: number
  /** The libbpf function that failed. */
  operation?: string
  /** The name of the object. */
  object?: string | undefined
  /** The name of the program. */
  program?: string | undefined
  /** The name of the map. */
  map?: string | undefined
  /** What the program was to be attached to, or the path of the file. */
  target?: string | undefined
  /** The warnings that libbpf printed during the call, or a function that reads them. */
  log?: string | (() => string)
}

/**
 * libbpf or the kernel refused an operation, or the operation is not possible in the current state.
 *
 * `message` is one sentence that says what failed, why, and what to do about it. `code` is for programs: one of
 * {@link BpfErrorCode}, or the name of an errno.
 *
 * @example
 * try {
 *   await obj.load()
 * } catch (error) {
 *   if (error instanceof BpfError && error.code === 'EPERM') console.error('please run this as root')
 *   else throw error
 * }
 */
export class BpfError extends Error {
  override readonly name: string = 'BpfError'
  /** One of the library's own codes, or the name of an errno: 'ERR_BPF_CLOSED', 'EPERM', 'ENOTSUPP'. */
  readonly code: BpfErrorCode | (string & {})
  /** The positive errno, the kernel's (1 to 524) or libbpf's own (4000 and up); 0 when no system call was made. */
  readonly errno: number
  /** The libbpf function that failed, such as 'bpf_object__load'; '' when none was called. */
  readonly operation: string
  /** The name of the object that the error is about. */
  readonly object: string | undefined
  /** The name of the program that the error is about. */
  readonly program: string | undefined
  /** The name of the map that the error is about. */
  readonly map: string | undefined
  /** What the program was to be attached to, or the path of the file. */
  readonly target: string | undefined
  readonly #log: string | (() => string)

  constructor(message: string, details: BpfErrorDetails) {
    super(message)
    this.code = details.code
    this.errno = details.errno ?? 0
    this.operation = details.operation ?? ''
    this.object = details.object
    this.program = details.program
    this.map = details.map
    this.target = details.target
    this.#log = details.log ?? ''
  }

  /**
   * The warnings that libbpf printed during the call; '' when there are none. A long one is kept outside of the heap
   * and copied on each read.
   */
  get log(): string {
    return typeof this.#log === 'string' ? this.#log : this.#log()
  }

  /**
   * The form that `JSON.stringify` writes: `name`, `message`, `code`, `errno`, `operation`, and those of `object`,
   * `program`, `map`, `target` and `log` that are set. The stack and the cause are left out.
   */
  toJSON(): Record<string, unknown> {
    const { name, message, code, errno, operation, object, program, map, target } = this
    // JSON.stringify leaves out what is undefined.
    return { name, message, code, errno, operation, object, program, map, target, log: this.log || undefined }
  }
}

/** A line of C source. */
export interface SourceLine {
  /** The file's name as the compiler was given it; '' before Linux 6.10. */
  file: string
  /** The number of the line; 0 before Linux 6.10. */
  line: number
  /** The line itself. */
  text: string
}

/** The verifier rejected a program. */
export class VerifierError extends BpfError {
  override readonly name = 'VerifierError'
  /** Why, in the verifier's words: what its log says after the last instruction. */
  readonly reason: string
  /**
   * The index of the instruction that the verifier stopped at; `undefined` when the reason is about the whole program,
   * or the log has no instructions.
   */
  readonly instruction: number | undefined
  /** The C line of that instruction. The object must be compiled with `-g`. */
  readonly source: SourceLine | undefined
  readonly #verifierLog: string | (() => string)

  constructor(
    message: string,
    details: BpfErrorDetails,
    verdict: {
      text: string | (() => string)
      reason: string
      instruction?: number | undefined
      source?: SourceLine | undefined
    },
  ) {
    super(message, details)
    this.#verifierLog = verdict.text
    this.reason = verdict.reason
    this.instruction = verdict.instruction
    this.source = verdict.source
  }

  /** The verifier's whole log. A long one is kept outside of the heap and copied on each read. */
  get verifierLog(): string {
    return typeof this.#verifierLog === 'string' ? this.#verifierLog : this.#verifierLog()
  }

  /**
   * {@link BpfError.toJSON} with `reason`, `instruction`, `source` and `verifierLog`; `log`, which repeats the
   * verifier's log, is left out.
   */
  override toJSON(): Record<string, unknown> {
    const { reason, instruction, source, verifierLog } = this
    return { ...super.toJSON(), log: undefined, reason, instruction, source, verifierLog }
  }
}
