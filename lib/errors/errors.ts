/** The kernel's own ENOTSUPP, which libc does not know and which comes out of bpf() all the same. @internal */
export const ENOTSUPP = 524

/** What an error was about. */
export interface BpfErrorDetails {
  /** The errno's name ('EPERM', 'ENOTSUPP'), or 'ERR_BPF_CLOSED', 'ERR_BPF_BUSY', 'ERR_BPF_STATE', 'ERR_BPF_NOT_FOUND', 'ERR_BPF_MISMATCH', 'ERR_BPF_ITERATION'. */
  code: string
  /** The positive errno; 0 where no system call was made. */
  errno?: number
  /** The libbpf function that failed. */
  operation?: string
  /** Names of the object, program, map that it was about. */
  object?: string | undefined
  program?: string | undefined
  map?: string | undefined
  /** What it was to be attached to. */
  target?: string | undefined
  /** Everything that libbpf warned of during the call. */
  log?: string
}

/** libbpf or the kernel said no, or a handle is in a state in which that cannot be done. `message` says what, why and what helps. */
export class BpfError extends Error {
  override readonly name: string = 'BpfError'
  readonly code: string
  readonly errno: number
  readonly operation: string
  readonly object: string | undefined
  readonly program: string | undefined
  readonly map: string | undefined
  readonly target: string | undefined
  readonly log: string

  constructor(message: string, details: BpfErrorDetails) {
    super(message)
    this.code = details.code
    this.errno = details.errno ?? 0
    this.operation = details.operation ?? ''
    this.object = details.object
    this.program = details.program
    this.map = details.map
    this.target = details.target
    this.log = details.log ?? ''
  }

  /**
   * The form that `JSON.stringify` writes: `name`, `message`, `code`, `errno`, `operation`, and those of `object`, `program`, `map`, `target` and
   * `log` that are set. The stack and the cause are left out.
   */
  toJSON(): Record<string, unknown> {
    const { name, message, code, errno, operation, object, program, map, target } = this
    // JSON.stringify leaves out what is undefined.
    return { name, message, code, errno, operation, object, program, map, target, log: this.log || undefined }
  }
}

/** Where a rejected program was in its C source. */
export interface SourceLine {
  file: string
  line: number
  text: string
}

/** The verifier rejected a program. */
export class VerifierError extends BpfError {
  override readonly name = 'VerifierError'
  /** The verifier's log, whole. */
  readonly verifierLog: string
  /** The verifier's last word. */
  readonly reason: string
  /** The index of the instruction it stopped at. */
  readonly instruction: number | undefined
  /** The C line of that instruction; needs an object compiled with -g. */
  readonly source: SourceLine | undefined

  constructor(
    message: string,
    details: BpfErrorDetails,
    verdict: {
      text: string
      reason: string
      instruction?: number | undefined
      source?: SourceLine | undefined
    },
  ) {
    super(message, details)
    this.verifierLog = verdict.text
    this.reason = verdict.reason
    this.instruction = verdict.instruction
    this.source = verdict.source
  }

  /** {@link BpfError.toJSON} with `reason`, `instruction`, `source` and `verifierLog`; `log`, which repeats the verifier's log, is left out. */
  override toJSON(): Record<string, unknown> {
    const { reason, instruction, source, verifierLog } = this
    return { ...super.toJSON(), log: undefined, reason, instruction, source, verifierLog }
  }
}
