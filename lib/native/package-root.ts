import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Returns the folder of this package. Its depth differs between lib/ and dist/lib/, so the folders above this file are
 * searched.
 */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) break
  }
  throw new Error(
    `libbpf-node cannot find its package.json above ${start}: its code was copied or bundled without the rest of the package; ` +
      'install the package with npm, and with a bundler keep libbpf-node external',
  )
}
