import { type BigIntStats, closeSync, constants, fstatSync, openSync } from 'node:fs'

/** An open regular file. */
export interface OpenFile {
  readonly fd: number
  readonly stat: BigIntStats
}

/** Identifies a file and its version: the same if the file is opened again and has not been written to in between. */
export const identityOf = ({ stat: { dev, ino, size, mtimeNs } }: OpenFile): string =>
  `${dev} ${ino} ${size} ${mtimeNs}`

/**
 * Opens a regular file for reading, and closes it after `work`. The paths come from other processes, where a path may
 * lead to a pipe or a device, so it does not wait for them.
 *
 * @returns `undefined` if there is no such file, or this process may not read it
 */
export function withFile<T>(path: string, work: (file: OpenFile) => T): T | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
  try {
    const stat = fstatSync(fd, { bigint: true })
    return stat.isFile() ? work({ fd, stat }) : undefined
  } finally {
    closeSync(fd)
  }
}
