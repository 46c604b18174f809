import { viewOf } from '../btf/bytes.js'
import { littleEndian } from '../machine/byte-order.js'

/** The `__u32 prefixlen` at the beginning of an LPM trie's keys, in bytes. */
const headSize = 4

/**
 * Compares two keys of an LPM trie by the order in which the kernel walks the trie: networks before the larger networks
 * that contain them, otherwise by address. Negative if `a` comes first, 0 if they are the same network.
 *
 * @internal
 */
export function compareLpmKeys(a: Uint8Array, b: Uint8Array): number {
  const [aBits, bBits] = [prefixLength(a), prefixLength(b)]
  const common = Math.min(aBits, bBits)
  for (let bit = 0, i = headSize; bit < common; bit += 8, i++) {
    const mask = common - bit < 8 ? 0xff00 >> (common - bit) : 0xff
    const difference = (a[i]! & mask) - (b[i]! & mask)
    if (difference !== 0) return difference
  }
  return bBits - aBits
}

function prefixLength(key: Uint8Array): number {
  return viewOf(key).getUint32(0, littleEndian)
}

/**
 * How far a walk through an LPM trie has come. The kernel continues a walk after the last key, and starts over if that
 * key has been deleted. The order of the keys tells which entries have come before.
 *
 * @internal
 */
export class LpmProgress {
  #last: Uint8Array | undefined

  /** Moves the entries that have not come before to the front, and returns their number. */
  keepNew(keys: Uint8Array, values: Uint8Array, count: number): number {
    if (count === 0) return 0
    const keySize = keys.length / count
    const valueSize = values.length / count
    let last = this.#last
    let kept = 0
    for (let i = 0; i < count; i++) {
      const key = keys.subarray(i * keySize, (i + 1) * keySize)
      if (last !== undefined && compareLpmKeys(key, last) <= 0) continue
      keys.copyWithin(kept * keySize, i * keySize, (i + 1) * keySize)
      values.copyWithin(kept * valueSize, i * valueSize, (i + 1) * valueSize)
      last = keys.subarray(kept * keySize, (kept + 1) * keySize)
      kept++
    }
    // The next batch overwrites these bytes.
    this.#last = last?.slice()
    return kept
  }
}
