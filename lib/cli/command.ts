/** A sub-command of `libbpf-node`. */
export interface Command {
  /** What comes after its name, for the first line of its help. */
  readonly usage: string
  /** What it does, in one line. */
  readonly summary: string
  /** The rest of its help. */
  readonly help: string
  /** Does it. Gives the exit code; see {@link exitCodes}. */
  run(args: string[]): Promise<number>
}

/** What the command line tells a script. */
export const exitCodes = {
  ok: 0,
  /** It didn't work, or a check found something. */
  failed: 1,
  /** It can't be asked like that. */
  usage: 2,
} as const

/** The arguments make no sense. The message says which; the help follows. */
export class UsageError extends Error {}

/** It didn't work. The message says why. */
export class Failed extends Error {}

/** Errors of the system, and classes of our own: their message explains what is expected to go wrong. */
export function isForPeople(error: Error): boolean {
  return (
    'syscall' in error ||
    !['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'].includes(error.constructor.name)
  )
}

/** For people: results go to stdout, everything else here. */
export function say(line: string): void {
  process.stderr.write(`${line.split('\n').map(visible).join('\n')}\n`)
}

/** Names and lines that others have written may hold what a terminal obeys. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  const control = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g
  return text.replace(control, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
