import type { BpfMap } from '../maps/map.js'
import { sumValues } from '../maps/per-cpu.js'
import type { BpfObject } from '../objects/object.js'
import { bar } from '../pictures/bars.js'
import { TraceError } from './error.js'
import { type EveryOptions, every } from './every.js'
import type { Code } from './kernel-text.js'
import { clearMap, countsLosses, expectMaxKeys, lostIn, orLost } from './losses.js'
import { plain } from './plain.js'
import {
  type Body,
  expectOptions,
  type Opened,
  openSession,
  type ProbeNames,
  Session,
  type SessionOptions,
} from './session.js'
import type { ProbeRecord } from './words.js'

export interface GroupOptions<K> extends SessionOptions {
  /** What to count separately; without it, everything is counted together. An object makes a key of several parts. */
  readonly by?: string | ((record: ProbeRecord) => K)
  /** The maximum number of keys; 10,240 by default. */
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

/** How the maps of an aggregate are read. */
export interface AggregateMaps<K> {
  read(object: BpfObject): Row<K>[]
  /** The maps that numbers are in. */
  readonly names: readonly string[]
}

/** Numbers by key, which the kernel keeps for each CPU and which are read when you ask for them. */
export class Aggregate<K> extends Session {
  readonly #maps: AggregateMaps<K>

  /** @internal */
  constructor(opened: Opened, maps: AggregateMaps<K>) {
    super(opened)
    this.#maps = maps
  }

  /** The numbers as they are now, the largest first. */
  rows(): Row<K>[] {
    return this.#maps.read(this.object).sort((a, b) => b.value - a.value)
  }

  /** The first `count` rows. */
  top(count: number): Row<K>[] {
    return this.rows().slice(0, count)
  }

  /** Whether a key was left out because there were `maxKeys` already. */
  get isFull(): boolean {
    return this.lost > 0
  }

  /** How many hits were left out because there were `maxKeys` other keys already. */
  get lost(): number {
    return lostIn(this.object)
  }

  /** Resets the numbers. Hits at the same moment may be lost. */
  clear(): void {
    for (const name of this.#maps.names) clearMap(this.object, name)
  }

  /**
   * Yields the current rows at regular intervals. It ends when this is closed, or `signal` is aborted.
   *
   * @param milliseconds - the interval
   * @example
   * for await (const rows of calls.every(1000)) console.log(rows[0])
   */
  every(milliseconds: number, options?: EveryOptions): AsyncGenerator<Row<K>[], void> {
    return every(this, milliseconds, () => this.rows(), options)
  }

  toJSON(): Row<K>[] {
    return this.rows()
  }

  /** A table with a bar for each row, or for the first `count` rows. */
  override toString(count?: number, style?: DrawingStyle): string {
    return drawRows(this.top(count ?? Number.POSITIVE_INFINITY), style)
  }
}

/** What the terminal can show. */
export interface DrawingStyle {
  /** Characters in a line; 80 by default. */
  readonly width?: number
  /** Whether there are block characters, which is the default. */
  readonly unicode?: boolean
}

/** Rows with a bar for each. */
export function drawRows(rows: readonly Row<unknown>[], { unicode = true }: DrawingStyle = {}): string {
  const most = rows.reduce((max, { value }) => Math.max(max, value), 0)
  const width = rows.reduce((max, { value }) => Math.max(max, String(value).length), 0)
  return rows
    .map(({ key, value }) =>
      [String(value).padStart(width), bar(value / most, 20, unicode).padEnd(20), describeKey(key)]
        .join(' ')
        .trimEnd(),
    )
    .join('\n')
}

/** A key in one line: its parts with a comma between them. */
export function describeKey(key: unknown): string {
  if (key === undefined) return ''
  if (typeof key !== 'object' || key === null) return String(key)
  return Object.values(key).map(describeKey).join(', ')
}

/** A key as text that no other key has. */
export const keyText = (key: unknown): string =>
  JSON.stringify(key, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)) ?? ''

/** The entries of a map with values for each CPU, combined. */
function* entriesOf(
  object: BpfObject,
  name: string,
  combine: (values: readonly bigint[]) => bigint,
): Generator<[unknown, number]> {
  const map = object.map(name) as unknown as BpfMap<unknown, bigint[]>
  for (const [key, values] of map.entries()) yield [key, Number(BigInt.asIntN(64, combine(values)))]
}

/** A map with a number for each CPU: without `by`, there is one key. */
export const countsNamed = (name: string, isGrouped: boolean, maxKeys: number): string =>
  isGrouped
    ? `export const ${name} = percpuHash<unknown, u64>(${maxKeys})`
    : `export const ${name} = percpuArray<u64>(1)`

/**
 * Reads a map of numbers that were added up. An array always has its one key, so a 0 there means that nothing was
 * added.
 */
export function countsIn<K>(name: string, isGrouped: boolean): AggregateMaps<K> {
  return {
    names: [name],
    read: (object) =>
      [...entriesOf(object, name, sumValues)]
        .filter(([, value]) => isGrouped || value !== 0)
        .map(([key, value]) => ({ key: (isGrouped ? plain(key) : undefined) as K, value })),
  }
}

interface Question<K> {
  readonly declarations: (isGrouped: boolean, maxKeys: number) => string
  /** The statement for a hit. @param key - of the map @param value - the number that is asked for */
  readonly update: (key: string, value: string) => string
  readonly maps: (isGrouped: boolean) => AggregateMaps<K>
  /** Whether it needs a number; true by default. */
  readonly hasValue?: boolean
}

async function aggregate<K>(
  probes: ProbeNames,
  { declarations, update, maps, hasValue = true }: Question<K>,
  given: GroupOptions<K> & { value?: Code },
): Promise<Aggregate<K>> {
  expectOptions(given, hasValue ? '{ value: (r) => r.retval }' : '{ by: (r) => r.comm }')
  const { by, value, maxKeys = 10_240, ...options } = given
  if (hasValue && value === undefined)
    throw new TraceError('the number is missing: { value: (r) => r.retval }')
  expectMaxKeys(maxKeys)
  const isGrouped = by !== undefined
  const body: Body = (text) => {
    const key = isGrouped ? text(by as Code).expression() : undefined
    const number = value === undefined ? undefined : text(value).number()
    return `${key?.before ?? ''}
${number?.before ?? ''}
${number === undefined ? '' : `const value = s64(${number.text})`}
${update(key?.text ?? '0', 'value')}
return 0`
  }
  const opened = await openSession(
    `${declarations(isGrouped, isGrouped ? maxKeys : 1)}\n${countsLosses}`,
    [{ probes, body }],
    options,
  )
  return new Aggregate(opened, maps(isGrouped))
}

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
  const update = (key: string): string => orLost(`counts.add(${key}, 1)`)
  return aggregate(probes, { ...summed('counts'), update, hasValue: false }, options)
}

/** Adds up a number at each hit. */
export function sum<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  const update = (key: string, value: string): string => orLost(`counts.add(${key}, u64(${value}))`)
  return aggregate(probes, { ...summed('counts'), update }, options as GroupOptions<K> & { value: Code })
}

const summed = <K>(name: string): Omit<Question<K>, 'update'> => ({
  declarations: (isGrouped, maxKeys) => countsNamed(name, isGrouped, maxKeys),
  maps: (isGrouped) => countsIn<K>(name, isGrouped),
})

/** The mean of a number over all hits. */
export function avg<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Aggregate<K>> {
  return aggregate(
    probes,
    {
      declarations: (isGrouped, maxKeys) =>
        ['counts', 'sums'].map((name) => countsNamed(name, isGrouped, maxKeys)).join('\n'),
      update: (key, value) =>
        `if (!counts.add(${key}, 1)) { lost += 1; return 0 }\nsums.add(${key}, u64(${value}))`,
      maps: (isGrouped) => ({
        names: ['counts', 'sums'],
        read(object) {
          const counts = new Map([...entriesOf(object, 'counts', sumValues)].map(([k, n]) => [keyText(k), n]))
          return [...entriesOf(object, 'sums', sumValues)].flatMap(([key, value]) => {
            const count = counts.get(keyText(key)) ?? 0
            return count === 0
              ? []
              : [{ key: (isGrouped ? plain(key) : undefined) as K, value: value / count }]
          })
        },
      }),
    },
    options as GroupOptions<K> & { value: Code },
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
    {
      // A CPU that had no hit has seen nothing, which is not the same as a 0.
      declarations: (isGrouped, maxKeys) =>
        `interface Best { value: s64; seen: u64 }\nexport const best = percpuHash<unknown, Best>(${isGrouped ? maxKeys : 1})`,
      update: (key, value) => `const old = best.get(${key})
if (old && old.seen) {
if (${value} ${comparison} old.value) old.value = ${value}
return 0
}
${orLost(`best.set(${key}, { value: ${value}, seen: u64(1) })`)}`,
      maps: (isGrouped) => ({
        names: ['best'],
        read(object) {
          const map = object.map('best') as unknown as BpfMap<unknown, { value: bigint; seen: bigint }[]>
          return [...map.entries()].map(([key, values]) => {
            const seen = values.filter(({ seen }) => seen > 0n).map(({ value }) => value)
            const value = Number(seen.reduce((a, b) => (better(b, a) ? b : a)))
            return { key: (isGrouped ? plain(key) : undefined) as K, value }
          })
        },
      }),
    },
    options as GroupOptions<K> & { value: Code },
  )
}
