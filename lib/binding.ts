import { createRequire } from 'node:module'
import type { Binding } from '../types/binding.js'
import { packageRoot } from './package-root.js'

const require = createRequire(import.meta.url)

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
