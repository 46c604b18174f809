import { readFileSync } from 'node:fs'

/** A file of /proc or /sys; `undefined` where this process may not see it. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
