// Which files there are, and whether they have changed. Paths are relative to the root of the repository.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The files below a folder whose names match, sorted; none if there is no such folder. */
export function files(folder, pattern) {
  if (!statSync(folder, { throwIfNoEntry: false })) return []
  return readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort()
}

/** Differs when one of the files does. */
export const fingerprint = (...paths) =>
  paths.map((path) => {
    const stat = statSync(path, { throwIfNoEntry: false })
    return [path, stat?.size, stat?.mtimeMs]
  })
