import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failed } from './command.js'

/** A program that has been started and waits, so that it can be looked at from its beginning. */
export class HeldCommand {
  readonly pid: number
  /** When it has ended. */
  readonly ended: Promise<unknown>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid!
    this.ended = child.exitCode === null ? once(child, 'exit') : Promise.resolve()
  }

  /** @param command - a program with its arguments, as in a shell */
  static async start(command: string): Promise<HeldCommand> {
    // A shell stops itself, and then becomes the program.
    const child = spawn('/bin/sh', ['-c', `kill -STOP $$; exec ${command}`], { stdio: 'inherit' })
    if (child.pid === undefined) throw new Failed(`cannot run '${command}': there is no /bin/sh`)
    while (child.exitCode === null && stateOf(child.pid) !== 'T') await sleep(2)
    return new HeldCommand(child)
  }

  go(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it, if it has not ended yet. */
  stop(): void {
    this.#child.kill('SIGTERM')
    this.#child.kill('SIGCONT')
  }
}

/** The letter behind the name in /proc/PID/stat. */
function stateOf(pid: number): string | undefined {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
