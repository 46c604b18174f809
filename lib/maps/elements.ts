import type { MapHandle } from '../../types/binding.js'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import type { ElementCodec } from './element-codec.js'

// `native` has so many properties that looking one up costs time in every call.
const { mapLookup, mapUpdate, mapDelete, mapNextKey, mapLookupAndDelete } = native

/** The sizes of a key and a value in a system call, in bytes. @internal */
export interface ElementSizes {
  readonly key: number
  readonly value: number
}

/**
 * The two buffers through which native code reads and writes keys and values (see `mapBind` in
 * types/binding/map.d.ts). Native code keeps pointers to them, so only this package may have access to them: other code
 * could detach them. @internal
 */
export interface Buffers {
  readonly sizes: ElementSizes
  readonly key: Uint8Array
  readonly keyView: DataView
  readonly value: Uint8Array
  readonly valueView: DataView
  /** Counts the uses of the buffers. A getter in a key or value can use the map, too, and overwrite them. */
  turn: number
}

/** What reading and writing many entries needs to know about a map. @internal */
export interface Elements {
  readonly handle: MapHandle
  readonly type: MapType
  readonly maxEntries: number
  readonly buffers: Buffers
  readonly key: ElementCodec
  readonly value: ElementCodec
  /** Turns an error from native code into one about this map. */
  explain(error: unknown, what: string): unknown
}

/** @internal */
export function bindBuffers(handle: MapHandle): Buffers {
  const sizes = { key: native.mapKeySize(handle), value: native.mapValueBytes(handle) }
  const key = new Uint8Array(sizes.key)
  const value = new Uint8Array(sizes.value)
  native.mapBind(handle, key, value)
  return {
    sizes,
    key,
    value,
    turn: 0,
    keyView: new DataView(key.buffer),
    valueView: new DataView(value.buffer),
  }
}

// The operations on single elements in bytes. Errors are those of native code.

/** The value of a key as a copy, or `undefined`. `take` also deletes the entry. @internal */
export function getBytes(
  { handle, buffers }: Elements,
  key: Uint8Array,
  take: boolean,
): Uint8Array | undefined {
  buffers.turn++
  buffers.key.set(key)
  const found = take ? mapLookupAndDelete(handle) : mapLookup(handle)
  return found === false ? undefined : buffers.value.slice()
}

/** @internal */
export function setBytes(
  { handle, buffers }: Elements,
  key: Uint8Array,
  value: Uint8Array,
  flags: number,
): void {
  buffers.turn++
  buffers.key.set(key)
  buffers.value.set(value)
  mapUpdate(handle, flags)
}

/** @internal */
export function deleteBytes({ handle, buffers }: Elements, key: Uint8Array): boolean {
  buffers.turn++
  buffers.key.set(key)
  return mapDelete(handle) !== false
}

/** The key after another one, or the first key; `undefined` at the end. @internal */
export function nextBytes(
  { handle, buffers }: Elements,
  key: Uint8Array | undefined,
): Uint8Array | undefined {
  buffers.turn++
  if (key !== undefined) buffers.key.set(key)
  return mapNextKey(handle, key === undefined) === false ? undefined : buffers.key.slice()
}
