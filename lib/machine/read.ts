import { readdirSync, readFileSync } from 'node:fs'

/** Reads a file in /proc or /sys; `undefined` if it does not exist or this process may not read it. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The names of the folders in a folder, sorted; none if it does not exist (any more) or cannot be read. */
export function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch {
    return []
  }
}
