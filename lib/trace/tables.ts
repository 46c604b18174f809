// Maps that the functions of a session share.
import type { HashMap } from '../compiler/language/maps.js'
import type { BpfMap } from '../maps/map.js'
import { Aggregate, countsIn, countsNamed, describeKey } from './aggregate.js'
import { Histogram, powersOfTwo, slotKey, units } from './histogram.js'
import type { TableWords } from './kernel-text.js'
import { expectMaxKeys, orLost } from './losses.js'
import { plain } from './plain.js'
import { type Opened, Session } from './session.js'

/**
 * A map of a session: what functions in the kernel can do with it, and what you read.
 *
 * @typeParam Words - its functions in the kernel
 * @typeParam Answer - the object that you read it with
 */
export interface SharedTable<Words, Answer> {
  /** The declaration of the map. For `session`. */
  declare(name: string): string
  /** What functions can call. For `session`. */
  readonly words: TableWords
  /** The map of a session that is attached. For `session`. */
  open(opened: Opened, name: string): Answer
  /** Never set: it only tells TypeScript what the functions in the kernel see. */
  readonly inTheKernel?: Words
}

export interface TableOptions {
  /** The maximum number of keys; 10,240 by default. */
  readonly maxKeys?: number
}

/** A map from keys to values, as bpftrace's `@name[key] = value`. */
export class Table<K, V> extends Session {
  readonly #name: string

  /** @internal */
  constructor(opened: Opened, name: string) {
    super(opened)
    this.#name = name
  }

  get #map(): BpfMap<unknown, unknown> {
    return this.object.map(this.#name) as unknown as BpfMap<unknown, unknown>
  }

  /** The entries as they are now. */
  entries(): [K, V][] {
    return [...this.#map.entries()].map(([key, value]) => [plain(key) as K, plain(value) as V])
  }

  /** Removes all keys. */
  clear(): void {
    for (const key of [...this.#map.keys()]) this.#map.delete(key)
  }

  toJSON(): [K, V][] {
    return this.entries()
  }

  /** A line for each key, or for the first `count`. */
  override toString(count?: number): string {
    return this.entries()
      .slice(0, count)
      .map(([key, value]) => `${describeKey(key)}: ${describeKey(value)}`)
      .join('\n')
  }
}

/** A counter as functions in the kernel see it. */
export interface CounterWords<K> {
  /** Adds to the number of a key. */
  add(key: K, amount?: number): void
}

/** A histogram as functions in the kernel see it. */
export interface HistogramWords<K> {
  /** Counts a value, for a key if there is one. Either all calls have a key, or none has. */
  record(value: number, key?: K): void
}

const plainWords: TableWords = { call: () => undefined }

/**
 * A map for {@link session}, with `get`, `set`, `add` and `delete` in the kernel. Its types are those of the first value
 * that is put into it. (Linux 3.19)
 */
export function table<K = unknown, V = number>({
  maxKeys = 10_240,
  forgets = false,
}: TableOptions & {
  /** If the table is full, a new key takes the place of one that has not been used for long; false by default. */
  readonly forgets?: boolean
} = {}): SharedTable<HashMap<K, V>, Table<K, V>> {
  expectMaxKeys(maxKeys)
  return {
    declare: (name) => `export const ${name} = ${forgets ? 'lruHash' : 'hash'}(${maxKeys})`,
    words: plainWords,
    open: (opened, name) => new Table<K, V>(opened, name),
  }
}

/** Numbers by key for {@link session}, counted for each CPU: `add(key)` or `add(key, amount)` in the kernel. (Linux 4.6) */
export function counter<K = unknown>({
  maxKeys = 10_240,
}: TableOptions = {}): SharedTable<CounterWords<K>, Aggregate<K>> {
  expectMaxKeys(maxKeys)
  return {
    declare: (name) => countsNamed(name, true, maxKeys),
    words: {
      call: (name, method, [key = '', amount]) =>
        method === 'add'
          ? orLost(`${name}.add(${key}, ${amount === undefined ? '1' : `u64(s64(${amount}))`})`)
          : undefined,
    },
    open: (opened, name) => new Aggregate<K>(opened, countsIn(name, true)),
  }
}

export interface HistogramTableOptions extends TableOptions {
  /**
   * The unit of the buckets, for values that are nanoseconds: `'us'` divides them by 1000. Without it, values stay as
   * they are.
   */
  readonly unit?: keyof typeof units
}

/**
 * A histogram by powers of two for {@link session}: `record(value)` or `record(value, key)` in the kernel. (Linux 4.6)
 */
export function histogram<K = undefined>({
  maxKeys = 10_240,
  unit,
}: HistogramTableOptions = {}): SharedTable<HistogramWords<K>, Histogram<K>> {
  expectMaxKeys(maxKeys)
  const divisor = unit === undefined ? 1 : units[unit]
  if (divisor === undefined) throw new TypeError(`unit is one of ${Object.keys(units).join(', ')}`)
  let isGrouped = false
  return {
    declare: (name) => `export const ${name} = percpuHash<unknown, u64>(${maxKeys})`,
    words: {
      call(name, method, [value = '', key]) {
        if (method !== 'record') return undefined
        isGrouped = key !== undefined
        const divided = divisor === 1 ? `s64(${value})` : `s64(u64(${value}) / ${divisor})`
        return orLost(`${name}.add(${slotKey(key).replace('slotOf(value)', `slotOf(${divided})`)}, 1)`)
      },
    },
    open: (opened, name) =>
      new Histogram<K>(opened, powersOfTwo, isGrouped, { map: name, ...(unit !== undefined && { unit }) }),
  }
}
