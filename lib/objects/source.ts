import { fileURLToPath } from 'node:url'
import { isBytes } from '../btf/bytes.js'

/** Where an object file comes from: a path, a `file:` URL, or the bytes of the file. */
export type ObjectSource = string | URL | Uint8Array

/**
 * Returns the path or the bytes. A URL of another realm (Jest, jsdom) is not an instance of our `URL`, but has its
 * members.
 */
export function toPathOrBytes(source: ObjectSource): string | Uint8Array {
  if (typeof source === 'string' || isBytes(source)) return source
  if (typeof source === 'object' && source !== null && 'href' in source) return fileURLToPath(source.href)
  throw new TypeError('source is not a path, a file: URL or a Uint8Array')
}
