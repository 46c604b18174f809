// The cache for parts of guests, in build/kernels or the folder that LIBBPF_NODE_KERNELS names.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../run.mjs'

export const cache = process.env.LIBBPF_NODE_KERNELS ?? join(root, 'build/kernels')

/**
 * Returns the path of an item, which is created atomically unless it exists. `make` gets a folder to work in and
 * returns the path of what it has created there, or undefined if that is not possible; then this function returns
 * undefined, too.
 */
export async function cached(name, make) {
  const target = join(cache, name)
  if (existsSync(target)) return target
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    const made = await make(work)
    if (made === undefined) return undefined
    // Another process may have been faster.
    if (!existsSync(target)) renameSync(made, target)
    return target
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
