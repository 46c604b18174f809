import { constants } from 'node:os'
import { types } from 'node:util'
import type { MapHandle } from '../../types/binding.js'
import { ENOTSUPP } from '../errors/errors.js'
import { native } from '../native/binding.js'

/** A piece of a map as the kernel gave it: keys one after the other, and values. The bytes are overwritten by the next piece. */
export interface RawBatch {
  readonly count: number
  readonly keys: Uint8Array
  readonly values: Uint8Array
}

/** How long a bound map's keys and values are. @internal */
export interface BatchSizes {
  key: number
  value: number
}

const { EINVAL, ENOSPC, EOPNOTSUPP } = constants.errno
/** The kernel, or this type of map, knows no batches: EINVAL before Linux 5.6, ENOTSUPP for some types. */
const unsupported = new Set<number>([EINVAL, EOPNOTSUPP, ENOTSUPP])

function errnoOf(error: unknown): number | undefined {
  return types.isNativeError(error) && 'errno' in error ? Number(error.errno) : undefined
}

/** Whether the error says that single calls have to do instead. @internal */
export function knowsNoBatches(error: unknown): boolean {
  return unsupported.has(errnoOf(error) ?? 0)
}

/** The kernel would read nothing at a time for ever. */
function checkSize(size: number): void {
  if (typeof size !== 'number') throw new TypeError('size is not a number')
  if (!Number.isInteger(size) || size < 1 || size > 0xffff_ffff)
    throw new RangeError(`size ${size} is not a number of entries`)
}

/**
 * The entries in pieces, by the kernel's own cursor, so that what is deleted meanwhile does not disturb it. `take` deletes them. A piece grows as long as
 * a bucket of the hash does not fit.
 *
 * @internal
 */
export function* rawBatches(
  handle: MapHandle,
  sizes: BatchSizes,
  size: number,
  take: boolean,
): Generator<RawBatch, undefined> {
  checkSize(size)
  const cursor = new Uint8Array(Math.max(sizes.key, 4))
  const count = new Uint32Array(1)
  let room = size
  let keys = new Uint8Array(room * sizes.key)
  let values = new Uint8Array(room * sizes.value)
  let isFirst = true
  for (let more = true; more; ) {
    count[0] = room
    try {
      more = native.mapLookupBatch(handle, cursor, isFirst, keys, values, count, 0, take)
    } catch (error) {
      if (errnoOf(error) !== ENOSPC) throw error
      room *= 2
      keys = new Uint8Array(room * sizes.key)
      values = new Uint8Array(room * sizes.value)
      continue
    }
    isFirst = false
    if (count[0]! > 0) yield { count: count[0]!, keys, values }
  }
}

/**
 * The same on libuv's pool, but for taking entries out: what was read would be lost where nobody asks for the next piece.
 *
 * @internal
 */
export async function* asyncBatches(handle: MapHandle, size: number): AsyncGenerator<RawBatch, undefined> {
  checkSize(size)
  let room = size
  let cursor: Uint8Array | undefined
  for (let more = true; more; ) {
    let batch: RawBatch
    try {
      const read = await native.mapLookupBatchAsync(handle, cursor, room)
      ;({ more, cursor } = read)
      batch = read
    } catch (error) {
      if (errnoOf(error) !== ENOSPC) throw error
      room *= 2
      continue
    }
    if (batch.count > 0) yield batch
  }
}

/**
 * Deletes keys; those that are not there are passed over.
 *
 * @returns how many were deleted
 * @internal
 */
export function deleteBatch(handle: MapHandle, keys: Uint8Array, size: number, keySize: number): number {
  let deleted = 0
  for (let at = 0; at < size; at++) {
    const count = Uint32Array.of(size - at)
    const isAll = native.mapDeleteBatch(handle, keys.subarray(at * keySize), count)
    deleted += count[0]!
    if (isAll) break
    // On to the one behind the one that is not there.
    at += count[0]!
  }
  return deleted
}
