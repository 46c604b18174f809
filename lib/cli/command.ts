/** A command of `libbpf-node`. */
export interface Command {
  /** Its arguments, for the first line of its help. */
  readonly usage: string
  /** What it does, in one line. */
  readonly summary: string
  /** The rest of the help. */
  readonly help: string
  /** The help for some arguments, if they have one of their own. */
  helpOf?(args: readonly string[]): Promise<string | undefined>
  /** Runs the command and returns the exit code; see {@link exitCodes}. */
  run(args: string[]): Promise<number>
}

/** The exit codes, for scripts. */
export const exitCodes = {
  ok: 0,
  /** The command failed, or a check found a problem. */
  failed: 1,
  /** A usage error. */
  usage: 2,
} as const

/** The arguments are wrong. The message says which; the usage line follows it. */
export class UsageError extends Error {}

/** The command failed. The message says why. */
export class Failed extends Error {}

/** Whether the message of an error explains it: errors of system calls and of our own classes are expected. */
export function isForPeople(error: Error): boolean {
  return (
    'syscall' in error ||
    !['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'].includes(error.constructor.name)
  )
}

/** Prints a message to stderr; only results go to stdout. */
export function say(line: string): void {
  process.stderr.write(`${line.split('\n').map(visible).join('\n')}\n`)
}

/**
 * Escapes control characters, because names and lines from elsewhere may contain sequences that a terminal would obey.
 */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this function is about them
  const control = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g
  return text.replace(control, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
