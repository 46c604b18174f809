import { attempt } from '../errors/attempt.js'
import { OwnedDescriptor } from '../machine/owned-descriptor.js'
import { native } from '../native/binding.js'

/** Flag for {@link Pidfd.open}: the id is that of a thread, not of a process. (Linux 6.9) */
export const PIDFD_THREAD = 0o200

/**
 * A descriptor of a process. System calls use it as the key of a task storage map. (`pidfd_open`, Linux 5.3)
 *
 * @example
 * using task = Pidfd.open(pid)
 * const seen = obj.map<number, bigint>('task_storage').get(task.fd)
 */
export class Pidfd extends OwnedDescriptor {
  private constructor(fd: number) {
    super(fd, 'the pidfd')
  }

  /**
   * @param pid - the id of the process
   * @param options - `flags`: {@link PIDFD_THREAD} if `pid` is the id of a thread
   */
  static open(pid: number, { flags = 0 }: { flags?: number } = {}): Pidfd {
    const subject = {
      what: `open process ${pid}`,
      arguments: ['pid', 'flags'],
      reason: ({ errno }: { errno: number }) =>
        errno === 3 ? 'the process does not exist, or has ended' : undefined,
    }
    return new Pidfd(attempt(subject, () => native.pidfdOpen(pid, flags)))
  }
}
