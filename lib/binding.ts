import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Binding } from '../types/binding.js'

const require = createRequire(import.meta.url)

/** This file is compiled to dist/lib/, so the package is not at a fixed distance. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

function load(): Binding {
  const root = packageRoot()
  try {
    return require('node-gyp-build')(root)
  } catch (cause) {
    const machine = `${process.platform}-${process.arch}, Node.js ${process.versions.node}`
    throw new Error(
      `libbpf-node has no native addon for ${machine}: build it with 'npm run build' in ${root}`,
      { cause },
    )
  }
}

/** The native functions, see types/binding.d.ts. Only `lib/` uses them. */
export const native: Binding = load()
