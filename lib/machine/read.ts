import { readFileSync } from 'node:fs'

/** Reads a file in /proc or /sys; `undefined` if it does not exist or this process may not read it. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
