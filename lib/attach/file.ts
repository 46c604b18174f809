import { closeSync, constants, openSync } from 'node:fs'
import { errnoName } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'

/** Runs `use` with the descriptor that it's given, or with one of its own of the path. */
export function withFd<T>(file: string | number, what: string, use: (fd: number) => T): T {
  if (typeof file === 'number') return use(file)
  if (typeof file !== 'string') throw new TypeError(`${what}: that is neither a path nor a descriptor`)
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY)
  } catch (cause) {
    const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0)
    // A path with NUL.
    if (errno === 0) throw cause
    const code = errnoName(errno)
    throw new BpfError(`${what}: ${file} cannot be opened (${code})`, {
      code,
      errno,
      operation: 'open',
      target: file,
    })
  }
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}
