import type { Elements, u32 } from './types.js'
import { word } from './word.js'

/** A value in a map: a number is read and written as `.value`. */
export type Ref<V> = V extends number ? { value: V } : V

/** A map of any kind, for helpers that take one. */
export interface AnyMap {
  readonly __map: never
}

export interface HashMap<K, V> extends AnyMap {
  /** The value in the map, to be read and written in place. It is null for a key that does not exist, so compare it first. */
  get(key: K): Ref<V> | null
  /** Stores a value. Returns whether there was room for it. */
  set(key: K, value: V): boolean
  /** Adds to a number, which begins at 0. No count is lost when other CPUs do the same. */
  add(key: K, amount: V): void
  delete(key: K): void
}

export interface RingBufferMap<T> extends AnyMap {
  /**
   * Room for a record, to be filled and submitted. It is null if the buffer is full, so compare it first. If the records
   * are of several types, say which: `reserve<Started>()`.
   */
  reserve<R extends T = T>(): R | null
  submit(record: T): void
  discard(record: T): void
  /** Reserves, fills and submits a record. Returns whether there was room for it. */
  emit<R extends T = T>(record: R): boolean
}

type Maker = <K, V>(maxEntries: number) => HashMap<K, V>
type ArrayMaker = <V>(maxEntries: number) => HashMap<u32, V>
/**
 * A hash map. Without types, it has those of the first key and value that a program puts into it.
 *
 * @param maxEntries - a constant
 */
export const hash: Maker = word('hash')
/** A hash map that makes room by dropping what was not used for long. */
export const lruHash: Maker = word('lruHash')
/** A hash map with a value for each CPU. */
export const percpuHash: Maker = word('percpuHash')
/** `N` values of one type: C's `T[N]`. The same word makes a map. */
export type array<T, N extends number> = Elements<T, N>
/** An array. */
export const array: ArrayMaker = word('array')
/** An array with values for each CPU. */
export const percpuArray: ArrayMaker = word('percpuArray')
/**
 * A ring buffer of records, of one type or of several: `ringbuf<Started | Ended>(4096)`. Without a type, its records are
 * like the first that a program emits. (Linux 5.8)
 *
 * @param size - bytes; a power of two, and a multiple of the page size
 */
export const ringbuf: <T>(size: number) => RingBufferMap<T> = word('ringbuf')
