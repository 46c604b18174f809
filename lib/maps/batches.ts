import { constants } from 'node:os'
import { ENOTSUPP } from '../errors/errno.js'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import { type ElementSizes, type Elements, getBytes, nextBytes } from './elements.js'
import { LpmProgress } from './lpm-order.js'

/** Some entries of a map: `count` keys one after the other, and as many values. The next batch overwrites the bytes. */
export interface RawBatch {
  readonly count: number
  readonly keys: Uint8Array
  readonly values: Uint8Array
}

/** By default a batch has at most this many entries ... */
const defaultEntries = 4096
/** ... and bytes. */
const defaultBytes = 4 << 20
/** When entries are read one by one, the event loop gets a turn after this many. */
const walkedInTurn = 256
/** Values that are longer than this are not read when only keys are wanted. */
const smallValue = 4096

const { EINTR, EINVAL, ENOSPC, EOPNOTSUPP } = constants.errno
/** The kernel has no batches (EINVAL before Linux 5.6), or this map type has none. */
const unsupported = new Set<number>([EINVAL, EOPNOTSUPP, ENOTSUPP])

/** Types whose batches deliver exactly the keys that a walk from key to key finds. */
const batchedKeys: readonly MapType[] = [
  'hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_hash',
  'lru_percpu_hash',
  'lpm_trie',
  'hash_of_maps',
]

/** @internal */
export function errnoOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errno' in error ? Number(error.errno) : undefined
}

/** Whether the error says that entries have to be read or written one by one. @internal */
export function lacksBatches(error: unknown): boolean {
  return unsupported.has(errnoOf(error) ?? 0)
}

/** How many entries go into a batch: no more than the map can have, and not too many bytes. @internal */
export function batchSize({ key, value }: ElementSizes, maxEntries: number): number {
  return Math.max(1, Math.min(defaultEntries, maxEntries, Math.floor(defaultBytes / (key + value))))
}

function checkSize(size: number): void {
  if (typeof size !== 'number') throw new TypeError('size is not a number')
  // With 0 the kernel would read nothing, forever.
  if (!Number.isInteger(size) || size < 1 || size > 0xffff_ffff)
    throw new RangeError(`size ${size} is not a valid number of entries`)
}

/**
 * Reads the entries batch by batch, or one by one if there are no batches. Deletions during the walk do not disturb it.
 *
 * @param take - also deletes the entries
 * @param wanted - the number of entries in a batch; a bucket of a hash table always comes as a whole
 * @internal
 */
export function* readBatches(map: Elements, take: boolean, wanted?: number): Generator<RawBatch, undefined> {
  const what = take ? 'drain' : 'read the entries'
  const rest = yield* kernelBatches(map, take, what, wanted)
  if (rest !== undefined) yield* walkEntries(map, take, rest.from)
}

/** Where a walk from key to key has to begin; without a key, at the first one. */
interface Rest {
  from: Uint8Array | undefined
}

/**
 * The batches that the kernel provides.
 *
 * @returns the rest, if it has to be read one by one
 * @internal
 */
export function* kernelBatches(
  map: Elements,
  take: boolean,
  what: string,
  wanted?: number,
): Generator<RawBatch, Rest | undefined> {
  const { sizes } = map.buffers
  const reading = new Reading(map, wanted)
  const cursor = new Uint8Array(Math.max(sizes.key, 4))
  const count = new Uint32Array(1)
  let isFirst = true
  let keys = new Uint8Array(0)
  let values = new Uint8Array(0)
  for (let more = true; more; ) {
    if (keys.length !== reading.room * sizes.key || values.length !== reading.room * sizes.value) {
      keys = new Uint8Array(reading.room * sizes.key)
      values = new Uint8Array(reading.room * sizes.value)
    }
    count[0] = reading.room
    try {
      more = native.mapLookupBatch(map.handle, cursor, isFirst, keys, values, count, 0, take)
    } catch (error) {
      // The kernel stopped at a key without a value. What it read until then counts.
      const isPart = errnoOf(error) === EINTR && count[0]! > 0
      if (!isPart) {
        if (reading.grow(error)) continue
        if (reading.mustWalk(error, isFirst)) return { from: isFirst ? undefined : cursor }
        throw map.explain(error, what)
      }
    }
    isFirst = false
    yield* reading.pieces(count[0]!, keys, values)
  }
  return undefined
}

/**
 * Like {@link readBatches}, on libuv's thread pool. It cannot take entries out: those of a batch that the caller does
 * not consume would be lost.
 *
 * @internal
 */
export async function* readBatchesAsync(map: Elements, wanted?: number): AsyncGenerator<RawBatch, undefined> {
  const reading = new Reading(map, wanted)
  let cursor: Uint8Array | undefined
  for (let more = true; more; ) {
    let count: number
    let keys: Uint8Array
    let values: Uint8Array
    try {
      const batch = await native.mapLookupBatchAsync(map.handle, cursor, reading.room)
      ;({ more, cursor, count, keys, values } = batch)
    } catch (error) {
      if (reading.grow(error)) continue
      if (!reading.mustWalk(error, cursor === undefined)) throw map.explain(error, 'read the entries')
      yield* walkEntriesAsync(map, cursor)
      return
    }
    yield* reading.pieces(count, keys, values)
  }
}

/** The state of one walk by batches. */
class Reading {
  readonly #size: number
  readonly #limit: number
  readonly #sizes: ElementSizes
  readonly #progress: LpmProgress | undefined
  /** How many entries the next batch has room for. */
  room: number

  constructor({ type, maxEntries, buffers: { sizes } }: Elements, wanted: number | undefined) {
    if (wanted !== undefined) checkSize(wanted)
    this.#size = wanted ?? batchSize(sizes, maxEntries)
    this.#sizes = sizes
    this.#progress = type === 'lpm_trie' ? new LpmProgress() : undefined
    this.room = this.#size
    // A map that is not preallocated can have a few entries more than it should.
    this.#limit = Math.min(0xffff_ffff, Math.max(this.#size, 2 * maxEntries))
  }

  /** Makes room for a bucket that does not fit. Returns whether that can help against the error. */
  grow(error: unknown): boolean {
    return errnoOf(error) === ENOSPC && this.#double()
  }

  /** Before Linux 6.14 the kernel does not get past a key without a value: EINTR. */
  mustWalk(error: unknown, isFirst: boolean): boolean {
    return errnoOf(error) === EINTR || (isFirst && lacksBatches(error))
  }

  *pieces(count: number, keys: Uint8Array, values: Uint8Array): Generator<RawBatch, undefined> {
    const { key, value } = this.#sizes
    if (this.#progress === undefined) {
      if (count > 0) yield { count, keys, values }
      return
    }
    const kept = this.#progress.keepNew(
      keys.subarray(0, count * key),
      values.subarray(0, count * value),
      count,
    )
    // The walk was sent back to its beginning. A larger batch passes the entries that were read before more quickly.
    if (kept === 0) this.#double()
    for (let at = 0; at < kept; at += this.#size) {
      const count = Math.min(this.#size, kept - at)
      yield { count, keys: keys.subarray(at * key), values: values.subarray(at * value) }
    }
  }

  #double(): boolean {
    if (this.room >= this.#limit) return false
    this.room = Math.min(this.#limit, this.room * 2)
    return true
  }
}

/**
 * The keys in batches if possible. All keys that a walk finds are read before the first one is delivered, so that what
 * the caller deletes in the meantime does not disturb the walk.
 *
 * @internal
 */
export function* readKeys(map: Elements): Generator<Pick<RawBatch, 'count' | 'keys'>, undefined> {
  if (batchedKeys.includes(map.type) && map.buffers.sizes.value <= smallValue) {
    yield* readBatches(map, false)
    return
  }
  for (const keys of [...walkKeys(map)]) yield { count: 1, keys }
}

/**
 * The keys one by one, each once. If the current key is deleted during the walk, most types start over.
 *
 * @throws BpfError ERR_BPF_ITERATION if deletions send the walk back to the beginning again and again
 * @internal
 */
export function* walkKeys(map: Elements, from?: Uint8Array): Generator<Uint8Array, undefined> {
  const seen = new Set<string>()
  // A pass finds at most `maxEntries` keys. Cgroup storage has no limit, and does not start over.
  let left = map.maxEntries === 0 ? Number.POSITIVE_INFINITY : 2 * map.maxEntries + 1
  for (let key = next(map, from); key !== undefined; key = next(map, key), left--) {
    if (left === 0) {
      const message = 'the map changes faster than it can be iterated'
      throw map.explain(Object.assign(new Error(message), { code: 'ERR_BPF_ITERATION' }), 'read the keys')
    }
    const name = Buffer.from(key.buffer).toString('latin1')
    if (seen.has(name)) continue
    seen.add(name)
    yield key
  }
}

function next(map: Elements, key: Uint8Array | undefined): Uint8Array | undefined {
  try {
    return nextBytes(map, key)
  } catch (error) {
    throw map.explain(error, 'read the keys')
  }
}

function* walkEntries(map: Elements, take: boolean, from?: Uint8Array): Generator<RawBatch, undefined> {
  for (const key of [...walkKeys(map, from)]) yield* entryOf(map, key, take)
}

async function* walkEntriesAsync(map: Elements, from?: Uint8Array): AsyncGenerator<RawBatch, undefined> {
  const keys: Uint8Array[] = []
  for (const key of walkKeys(map, from)) if (keys.push(key) % walkedInTurn === 0) await turn()
  for (const [i, key] of keys.entries()) {
    if (i % walkedInTurn === 0) await turn()
    yield* entryOf(map, key, false)
  }
}

/** The entry of a key, unless it has been deleted. */
function* entryOf(map: Elements, key: Uint8Array, take: boolean): Generator<RawBatch, undefined> {
  let value: Uint8Array | undefined
  try {
    value = getBytes(map, key, take)
  } catch (error) {
    throw map.explain(error, take ? 'drain' : 'read the entries')
  }
  if (value !== undefined) yield { count: 1, keys: key, values: value }
}

/** Whether the error says that a walk did not end. @internal */
export function isEndless(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ERR_BPF_ITERATION'
}

/** Lets the event loop run. The same function of node:timers/promises would load Node's streams. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
