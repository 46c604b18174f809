import { attempt } from '../errors/attempt.js'
import { native } from '../native/binding.js'

/** `PIDFD_THREAD`: of any thread, not only of a process's first. (Linux 6.9) */
export const PIDFD_THREAD = 0o200

/**
 * A descriptor of a process: the key of a task storage map for system calls. (`pidfd_open`, Linux 5.3)
 *
 * @example
 * using task = Pidfd.open(pid)
 * const seen = obj.map<number, bigint>('task_storage').get(task.fd)
 */
export class Pidfd implements Disposable {
  readonly #fd: number
  #closed = false

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** @param flags - {@link PIDFD_THREAD} for a thread's id */
  static open(pid: number, { flags = 0 }: { flags?: number } = {}): Pidfd {
    const subject = {
      what: `open process ${pid}`,
      arguments: ['pid', 'flags'],
      reason: ({ errno }: { errno: number }) =>
        errno === 3 ? 'there is no such process, or it has ended' : undefined,
    }
    return new Pidfd(attempt(subject, () => native.pidfdOpen(pid, flags)))
  }

  /** @throws TypeError when it is closed */
  get fd(): number {
    if (this.#closed) throw new TypeError('the pidfd is closed')
    return this.#fd
  }

  /** Twice is fine. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native.descriptorClose(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
