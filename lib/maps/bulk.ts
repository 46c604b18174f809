import { constants } from 'node:os'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import { batchSize, errnoOf, isEndless, kernelBatches, lacksBatches, walkKeys } from './batches.js'
import { deleteBytes, type Elements, setBytes } from './elements.js'
import { storages } from './limits.js'

/**
 * Types whose keys or values are file descriptors. Those entries are not collected into batches: the caller may close a
 * descriptor as soon as the next entry is asked for, and its number then means another file.
 */
const holdDescriptors: readonly MapType[] = [
  'prog_array',
  'perf_event_array',
  'cgroup_array',
  'array_of_maps',
  'hash_of_maps',
  'devmap',
  'devmap_hash',
  'cpumap',
  'xskmap',
  'sockmap',
  'sockhash',
  'reuseport_sockarray',
  ...storages,
]

/** How many entries are collected before a system call: no more than there are, if that is known. */
function roomFor(map: Elements, items: Iterable<unknown>, sizes = map.buffers.sizes): number {
  if (holdDescriptors.includes(map.type)) return 1
  const room = batchSize(sizes, map.maxEntries)
  return Math.max(1, Math.min(room, Array.isArray(items) ? items.length : room))
}

const smallMemory = 1 << 14
/** Memory that is kept for the next call: for a few entries, allocating it costs as much as handling them. */
let spare: ArrayBuffer | undefined

/** Calls `use` with memory of this many bytes. Only our own codecs see it; those of users work on copies. */
function withMemory<R>(bytes: number, use: (memory: ArrayBuffer) => R): R {
  if (bytes > smallMemory) return use(new ArrayBuffer(bytes))
  const memory = spare ?? new ArrayBuffer(smallMemory)
  new Uint8Array(memory, 0, bytes).fill(0)
  // The iterator of the items may call this function, too.
  spare = undefined
  try {
    return use(memory)
  } finally {
    spare = memory
  }
}

/** The values of keys, and `undefined` for those that do not exist. @internal */
export function getMany(map: Elements, items: Iterable<unknown>): unknown[] {
  const { sizes } = map.buffers
  const room = roomFor(map, items)
  const keyBytes = room * sizes.key
  const valueBytes = room * sizes.value
  return withMemory(keyBytes + valueBytes + room, (memory) => {
    const view = new DataView(memory)
    const keys = new Uint8Array(memory, 0, keyBytes)
    const values = new Uint8Array(memory, keyBytes, valueBytes)
    const found = new Uint8Array(memory, keyBytes + valueBytes, room)
    const result: unknown[] = []
    collect(
      items,
      room,
      (key, at) => map.key.encode(key, view, at * sizes.key),
      (count) => {
        try {
          native.mapLookupMany(map.handle, keys, values, found, count)
        } catch (error) {
          throw map.explain(error, 'getMany')
        }
        for (let i = 0; i < count; i++)
          result.push(found[i] === 0 ? undefined : map.value.decode(view, keyBytes + i * sizes.value))
      },
    )
    return result
  })
}

/** Sets entries in batches. If an entry cannot be encoded or set, those before it are set. @internal */
export function setMany(
  map: Elements,
  entries: Iterable<readonly [key: unknown, value: unknown]>,
  flags: number,
): void {
  const { sizes } = map.buffers
  const room = roomFor(map, entries)
  const keyBytes = room * sizes.key
  const valueBytes = room * sizes.value
  withMemory(keyBytes + valueBytes, (memory) => {
    const view = new DataView(memory)
    const keys = new Uint8Array(memory, 0, keyBytes)
    const values = new Uint8Array(memory, keyBytes, valueBytes)
    collect(
      entries,
      room,
      (entry, at) => {
        // Not by destructuring, which would use an iterator.
        map.key.encode(entry[0], view, at * sizes.key)
        map.value.encode(entry[1], view, keyBytes + at * sizes.value)
      },
      (count) => updateBatch(map, keys, values, count, flags),
    )
  })
}

/** Deletes keys in batches, and returns how many of them existed. @internal */
export function deleteMany(map: Elements, items: Iterable<unknown>): number {
  const { key } = map.buffers.sizes
  const room = roomFor(map, items, { key, value: 0 })
  return withMemory(room * key, (memory) => {
    const view = new DataView(memory)
    const keys = new Uint8Array(memory, 0, room * key)
    let deleted = 0
    collect(
      items,
      room,
      (one, at) => map.key.encode(one, view, at * key),
      (count) => {
        deleted += deleteKeys(map, keys, count, 'deleteMany')
      },
    )
    return deleted
  })
}

/** Deletes all entries that exist when it begins. Entries that are added in the meantime may be deleted, too. @internal */
export function clear(map: Elements): void {
  const taken = kernelBatches(map, true, 'clear')
  let step = taken.next()
  while (!step.done) step = taken.next()
  if (step.value === undefined) return
  // If others disturb the walk, delete what it has found and try again, but not forever.
  for (let isDone = false, left = 16; !isDone && left > 0; left--) {
    const keys: Uint8Array[] = []
    isDone = true
    try {
      for (const key of walkKeys(map)) keys.push(key)
    } catch (error) {
      if (!isEndless(error)) throw error
      isDone = false
    }
    if (map.type === 'sockmap') for (const key of keys) deleteSocket(map, key)
    else deleteKeys(map, Buffer.concat(keys), keys.length, 'clear')
  }
}

/** Every index is a key of a sockmap, but one without a socket cannot be deleted: EINVAL. */
function deleteSocket(map: Elements, key: Uint8Array): void {
  try {
    deleteBytes(map, key)
  } catch (error) {
    if (errnoOf(error) !== constants.errno.EINVAL) throw map.explain(error, 'clear')
  }
}

/**
 * Encodes items one after the other, and writes them in batches of `room`. If an item cannot be encoded, those before
 * it are written.
 */
function collect<T>(
  items: Iterable<T>,
  room: number,
  encode: (item: T, at: number) => void,
  write: (count: number) => void,
): void {
  let count = 0
  const flush = (): void => {
    const full = count
    count = 0
    if (full > 0) write(full)
  }
  try {
    for (const item of items) {
      encode(item, count)
      if (++count === room) flush()
    }
  } finally {
    flush()
  }
}

function updateBatch(
  map: Elements,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
  flags: number,
): void {
  const { key, value } = map.buffers.sizes
  const done = Uint32Array.of(count)
  try {
    try {
      native.mapUpdateBatch(map.handle, keys, values, done, flags)
    } catch (error) {
      if (!lacksBatches(error)) throw error
      // The kernel leaves the number as it is if it has no batches, or else says how far it came.
      for (let i = done[0]! < count ? done[0]! : 0; i < count; i++) {
        const oneKey = keys.subarray(i * key, (i + 1) * key)
        setBytes(map, oneKey, values.subarray(i * value, (i + 1) * value), flags)
      }
    }
  } catch (error) {
    throw map.explain(error, 'setMany')
  }
}

/** Deletes the first `count` keys, and returns how many of them existed. */
function deleteKeys(map: Elements, keys: Uint8Array, count: number, what: string): number {
  const size = map.buffers.sizes.key
  let deleted = 0
  try {
    for (let at = 0; at < count; at++) {
      const done = Uint32Array.of(count - at)
      try {
        const isAll = native.mapDeleteBatch(map.handle, keys.subarray(at * size), done)
        deleted += done[0]!
        if (isAll) break
        // It stopped at a key that does not exist. Continue after it.
        at += done[0]!
      } catch (error) {
        if (!lacksBatches(error)) throw error
        for (; at < count; at++) if (deleteBytes(map, keys.subarray(at * size, (at + 1) * size))) deleted++
      }
    }
  } catch (error) {
    throw map.explain(error, what)
  }
  return deleted
}
