import { closeSync, constants, openSync } from 'node:fs'
import { errnoName } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'

/** Calls `use` with the given descriptor, or with one that it opens for the path and closes again. */
export function withFd<T>(file: string | number, what: string, use: (fd: number) => T): T {
  if (typeof file === 'number') return use(file)
  if (typeof file !== 'string') throw new TypeError(`${what}: expected a path or a descriptor`)
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY)
  } catch (cause) {
    throw unreadable(what, file, cause)
  }
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Turns an error of node:fs into a BpfError. */
export function unreadable(what: string, path: string, cause: unknown): unknown {
  const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0)
  // Not an error of the system: a path with a NUL byte.
  if (errno === 0) return cause
  const code = errnoName(errno)
  const details = { code, errno, operation: 'open', target: path }
  return new BpfError(`${what}: ${path} cannot be opened (${code})`, details)
}
