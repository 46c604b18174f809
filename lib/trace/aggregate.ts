import type { BpfMap } from '../maps/map.js'
import { sumValues } from '../maps/per-cpu.js'
import { bar } from '../pictures/bars.js'
import type { Code } from './kernel-text.js'
import { plain } from './plain.js'
import {
  type Body,
  type Opened,
  openSession,
  type ProbeNames,
  Session,
  type SessionOptions,
} from './session.js'
import type { ProbeRecord } from './words.js'

export interface GroupOptions<K> extends SessionOptions {
  /** What is counted separately; without it, everything together. An object makes a key of several parts. */
  readonly by?: string | ((record: ProbeRecord) => K)
  /** The most keys that there can be; 10,240 by default. */
  readonly maxKeys?: number
}

export interface ValueOptions<K> extends GroupOptions<K> {
  /** The number that is added up or compared. */
  readonly value: string | ((record: ProbeRecord) => number)
}

/** A key and its number. Without `by`, there is one row, whose key is `undefined`. */
export interface Row<K> {
  readonly key: K
  readonly value: number
}

/** Numbers by key, which the kernel keeps for each CPU and which are read when you ask for them. */
export class Aggregate<K> extends Session {
  readonly #read: (object: Opened['object']) => Row<K>[]
  readonly #maxKeys: number

  /** @internal */
  constructor(opened: Opened, maxKeys: number, read: (object: Opened['object']) => Row<K>[]) {
    super(opened)
    this.#read = read
    this.#maxKeys = maxKeys
  }

  /** The numbers as they are now, the largest first. */
  rows(): Row<K>[] {
    return this.#read(this.object).sort((a, b) => b.value - a.value)
  }

  /** The first `count` rows. */
  top(count: number): Row<K>[] {
    return this.rows().slice(0, count)
  }

  /** Whether a key was left out because there were `maxKeys` already. */
  get isFull(): boolean {
    return this.#read(this.object).length >= this.#maxKeys
  }

  toJSON(): Row<K>[] {
    return this.rows()
  }

  /** A table with a bar for each row, or for the first `count` rows. */
  override toString(count?: number): string {
    const rows = this.top(count ?? Number.POSITIVE_INFINITY)
    const most = rows.reduce((max, { value }) => Math.max(max, value), 0)
    const width = rows.reduce((max, { value }) => Math.max(max, String(value).length), 0)
    return rows
      .map(({ key, value }) =>
        [String(value).padStart(width), bar(value / most, 20, true).padEnd(20), describeKey(key)]
          .join(' ')
          .trimEnd(),
      )
      .join('\n')
  }
}

/** A key in one line: its parts with a comma between them. */
export function describeKey(key: unknown): string {
  if (key === undefined) return ''
  if (typeof key !== 'object' || key === null) return String(key)
  return Object.values(key).map(describeKey).join(', ')
}

/** Without `by`, all is counted under one key. */
const everything = '0'

type Bodies = (key: string, value: string) => string

async function aggregate<K>(
  probes: ProbeNames,
  declarations: (maxKeys: number) => string,
  { by, value, maxKeys = 10_240, ...options }: GroupOptions<K> & { value?: Code },
  update: Bodies,
  read: (object: Opened['object'], keyOf: (key: unknown) => K) => Row<K>[],
): Promise<Aggregate<K>> {
  const body: Body = (text) => {
    const key = by === undefined ? undefined : text(by as Code).expression()
    const number = value === undefined ? undefined : text(value).expression()
    return `${key?.before ?? ''}
${number?.before ?? ''}
${number === undefined ? '' : `const value = s64(${number.text})`}
${update(key?.text ?? everything, 'value')}
return 0`
  }
  const opened = await openSession(declarations(by === undefined ? 1 : maxKeys), [{ probes, body }], options)
  const keyOf = (key: unknown): K => (by === undefined ? undefined : plain(key)) as K
  return new Aggregate(opened, by === undefined ? Number.POSITIVE_INFINITY : maxKeys, (object) =>
    read(object, keyOf),
  )
}

/** The entries of a map with values for each CPU, combined. */
function* entriesOf(
  object: Opened['object'],
  name: string,
  combine: (values: readonly bigint[]) => bigint,
): Generator<[unknown, number]> {
  const map = object.map(name) as unknown as BpfMap<unknown, bigint[]>
  for (const [key, values] of map.entries()) yield [key, Number(BigInt.asIntN(64, combine(values)))]
}

const counts = (maxKeys: number): string => `export const counts = percpuHash(${maxKeys})`

/**
 * Counts how often probes are hit, in the kernel. (Linux 4.6)
 *
 * @example
 * await using calls = await count('raw_syscalls:sys_enter', { by: (r) => r.comm })
 * await setTimeout(1000)
 * console.log(`${calls}`)
 */
export function count<K = undefined>(
  probes: ProbeNames,
  options: GroupOptions<K> = {},
): Promise<Aggregate<K>> {
  return aggregate(
    probes,
    counts,
    options,
    (key) => `counts.add(${key}, 1)`,
    (object, keyOf) =>
      [...entriesOf(object, 'counts', sumValues)].map(([key, value]) => ({ key: keyOf(key), value })),
  )
}

/** Adds up a number at each hit. */
export function sum<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  return aggregate(
    probes,
    counts,
    options as GroupOptions<K> & { value: Code },
    (key, value) => `counts.add(${key}, u64(${value}))`,
    (object, keyOf) =>
      [...entriesOf(object, 'counts', sumValues)].map(([key, value]) => ({ key: keyOf(key), value })),
  )
}

/** The mean of a number over all hits. */
export function avg<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  return aggregate(
    probes,
    (maxKeys) => `${counts(maxKeys)}\nexport const sums = percpuHash(${maxKeys})`,
    options as GroupOptions<K> & { value: Code },
    (key, value) => `counts.add(${key}, 1)\nsums.add(${key}, u64(${value}))`,
    (object, keyOf) => {
      const total = new Map([...entriesOf(object, 'counts', sumValues)].map(([k, n]) => [describeKey(k), n]))
      return [...entriesOf(object, 'sums', sumValues)].map(([key, value]) => ({
        key: keyOf(key),
        value: value / (total.get(describeKey(key)) ?? 1),
      }))
    },
  )
}

/** The smallest number of all hits. */
export function min<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  return extreme(probes, options, '<')
}

/** The largest number of all hits. */
export function max<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  return extreme(probes, options, '>')
}

function extreme<K>(
  probes: ProbeNames,
  options: ValueOptions<K>,
  comparison: '<' | '>',
): Promise<Aggregate<K>> {
  const better = (a: bigint, b: bigint): boolean => (comparison === '<' ? a < b : a > b)
  return aggregate(
    probes,
    // A CPU that had no hit has seen nothing, which is not the same as a 0.
    (maxKeys) =>
      `interface Best { value: s64; seen: u64 }\nexport const best = percpuHash<unknown, Best>(${maxKeys})`,
    options as GroupOptions<K> & { value: Code },
    (key, value) => `const old = best.get(${key})
if (old && old.seen) {
if (${value} ${comparison} old.value) old.value = ${value}
return 0
}
best.set(${key}, { value: ${value}, seen: u64(1) })`,
    (object, keyOf) => {
      const map = object.map('best') as unknown as BpfMap<unknown, { value: bigint; seen: bigint }[]>
      return [...map.entries()].map(([key, values]) => {
        const seen = values.filter(({ seen }) => seen > 0n).map(({ value }) => value)
        return { key: keyOf(key), value: Number(seen.reduce((a, b) => (better(b, a) ? b : a))) }
      })
    },
  )
}
