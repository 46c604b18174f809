// Where what guests are made of is kept, each thing in a folder: build/kernels, or what LIBBPF_NODE_KERNELS says.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../run.mjs'

export const cache = process.env.LIBBPF_NODE_KERNELS ?? join(root, 'build/kernels')

/**
 * The path of a thing, which is made if it isn't there yet, whole or not at all. `make` gets a folder to work in, and returns what it
 * has made there, or undefined where it is not to be had; then this does, too.
 */
export async function cached(name, make) {
  const target = join(cache, name)
  if (existsSync(target)) return target
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    const made = await make(work)
    if (made === undefined) return undefined
    // Someone else may have been faster.
    if (!existsSync(target)) renameSync(made, target)
    return target
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
