// Where the kernel keeps values. An atomic addition to an address that is not aligned crashes an arm64 machine, and the
// verifier does not notice it.
import type { ModuleMap } from '../module.js'
import type { Located, Source } from '../source.js'
import { type IntType, sizeOf } from '../types.js'

/**
 * After `prefixlen`, a trie has the bytes of the key and, without a gap, the value. All other maps align values to 8.
 */
export function alignmentOfValues({ kind, key }: ModuleMap): 4 | 8 {
  return kind === 'lpmTrie' && (sizeOf(key!) - 4) % 8 !== 0 ? 4 : 8
}

/** @param align - what the address is a multiple of */
export function expectAligned(source: Source, align: number, { name, size }: IntType, node: Located): void {
  if (align >= size) return
  source.fail(
    node,
    `an addition that CPUs may make at the same time needs a ${name} whose address is a multiple of ${size}; in a value of this lpmTrie it is only one of ${align}, and machines with arm64 would stop`,
    'The value directly follows the bytes of the key. Count in a u32, or let the value be an index into a percpuArray, and count there.',
  )
}
