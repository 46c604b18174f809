// Finds files, and tells whether they have changed. Paths are relative to the root of the repository.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the files below a folder whose names match, sorted; none if the folder does not exist. */
export function files(folder, pattern) {
  if (!statSync(folder, { throwIfNoEntry: false })) return []
  return readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort()
}

/** Returns a value that changes when one of the files changes. */
export const fingerprint = (...paths) =>
  paths.map((path) => {
    const stat = statSync(path, { throwIfNoEntry: false })
    return [path, stat?.size, stat?.mtimeMs]
  })
