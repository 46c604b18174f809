import { constants } from 'node:os'
import { attempt } from '../errors/attempt.js'
import { errnoName } from '../errors/errno.js'
import type { Subject } from '../errors/explain.js'
import { whyNotPinned } from '../errors/pins.js'
import { native } from '../native/binding.js'
import { tooOldFor } from './kernel-version.js'

/** The folder that the path of a pin is relative to. */
export interface PinFolder {
  /**
   * A descriptor of the folder that a relative path starts from, for example of a BPF file system that is mounted
   * nowhere. By default, the working directory. (Linux 6.5)
   */
  folder?: number
}

/** Pins what a descriptor refers to. @internal */
export function pinAt(
  about: Omit<Subject, 'what'>,
  who: string,
  fd: number,
  path: string | undefined,
  folder: number,
): void {
  if (typeof path !== 'string') throw new TypeError('path is not a string')
  const subject: Subject = {
    ...about,
    what: `${who}: pin to ${path} in the folder of fd ${folder}`,
    target: path,
    arguments: ['fd', 'path', 'folder'],
    reason: ({ errno }) =>
      (errno === constants.errno.EINVAL ? tooOldFor('6.5') : undefined) ??
      whyNotPinned(path, errnoName(errno)),
  }
  attempt(subject, () => native.pinAt(fd, path, folder))
}
