import { fileURLToPath } from 'node:url'

/** The folder of this package. Everything is in dist/, one level below. */
export const packageRoot = fileURLToPath(new URL('..', import.meta.url))
