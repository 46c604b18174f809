import type { BpfMap } from '../maps/map.js'
import { sumValues } from '../maps/per-cpu.js'
import { type Bucket, histogram, linearBuckets, log2Buckets } from '../pictures/histogram.js'
import { type DrawingStyle, describeKey, type GroupOptions, keyText, type ValueOptions } from './aggregate.js'
import { TraceError } from './error.js'
import { type EveryOptions, every } from './every.js'
import type { Code } from './kernel-text.js'
import { clearMap, countsLosses, expectMaxKeys, lostIn, orLost } from './losses.js'
import { plain } from './plain.js'
import { expectOptions, filtered, type Opened, openSession, type ProbeNames, Session } from './session.js'
import type { ProbeRecord } from './words.js'

/** How values are sorted into slots, and what the slots are. */
export interface Slots {
  /** The function `slotOf(value: s64): u32` of the kernel side. */
  readonly code: string
  readonly count: number
  buckets(counts: readonly number[]): Bucket[]
}

/** Slot 0 for negative values, then as many slots as a number can have bits. */
export const powersOfTwo: Slots = {
  code: `
function slotOf(value: s64): u32 {
  return value < 0 ? 0 : value === 0 ? 1 : log2(value) + 2
}`,
  count: 65,
  buckets: ([negative = 0, ...counts]) => [
    { from: Number.NEGATIVE_INFINITY, to: 0, count: negative },
    ...log2Buckets(counts),
  ],
}

function linear({ min, max, step }: LinearOptions): Slots {
  const count = Math.ceil((max - min) / step)
  if (![min, max, step].every(Number.isSafeInteger) || step < 1 || count < 1 || count > 1000) {
    throw new RangeError(
      `min, max and step are whole numbers that make 1 to 1000 steps: ${min}, ${max}, ${step}`,
    )
  }
  return {
    code: `
function slotOf(value: s64): u32 {
  if (value < ${min}) return 0
  if (value >= ${min + count * step}) return ${count + 1}
  return u32(u64(value - ${min}) / ${step}) + 1
}`,
    count: count + 2,
    buckets: (counts) => linearBuckets(counts, { min, step }),
  }
}

export interface LinearOptions {
  /** The smallest value that has a bucket of its own. */
  readonly min: number
  /** The first value that is too large. */
  readonly max: number
  /** How many values a bucket covers. */
  readonly step: number
}

/** The buckets of one key. Without `by`, there is one group, whose key is `undefined`. */
export interface HistogramGroup<K> {
  readonly key: K
  readonly count: number
  /**
   * From the first bucket with a count to the last. Each covers the values from `from` up to, but not including, `to`.
   */
  readonly buckets: { readonly from: number; readonly to: number; readonly count: number }[]
}

/** Histograms by key, which the kernel counts for each CPU and which are read when you ask for them. */
export class Histogram<K> extends Session {
  readonly #slots: Slots
  readonly #isGrouped: boolean
  readonly #map: string
  /** The unit of the values; '' if there is none. */
  readonly unit: string

  /** @internal */
  constructor(opened: Opened, slots: Slots, isGrouped: boolean, { unit = '', map = 'slots' } = {}) {
    super(opened)
    this.#slots = slots
    this.#isGrouped = isGrouped
    this.unit = unit
    this.#map = map
  }

  /** The histograms as they are now, those with the most values first. */
  groups(): HistogramGroup<K>[] {
    return [...this.#counts()]
      .map(([key, counts]) => {
        const all = this.#slots.buckets(counts).map((bucket) => ({
          from: Number(bucket.from),
          to: Number(bucket.to),
          count: Number(bucket.count),
        }))
        const hasCount = (bucket: { count: number }): boolean => bucket.count > 0
        const buckets = all.slice(all.findIndex(hasCount), all.findLastIndex(hasCount) + 1)
        return { key, buckets, count: counts.reduce((a, b) => a + b, 0) }
      })
      .sort((a, b) => b.count - a.count)
  }

  #counts(): Map<K, number[]> {
    const map = this.object.map(this.#map) as unknown as BpfMap<
      number | { by: unknown; slot: number },
      bigint[]
    >
    const groups = new Map<string, { key: K; counts: number[] }>()
    for (const [key, values] of map.entries()) {
      const { by, slot } = typeof key === 'object' ? key : { by: undefined, slot: key }
      const name = keyText(by)
      const group = groups.get(name) ?? {
        key: (this.#isGrouped ? plain(by) : undefined) as K,
        counts: new Array<number>(this.#slots.count).fill(0),
      }
      group.counts[slot] = Number(sumValues(values))
      groups.set(name, group)
    }
    return new Map([...groups.values()].map(({ key, counts }) => [key, counts]))
  }

  /** Whether a value was left out because there were `maxKeys` other keys and buckets already. */
  get isFull(): boolean {
    return this.lost > 0
  }

  /** How many values were left out because there were `maxKeys` other keys and buckets already. */
  get lost(): number {
    return lostIn(this.object)
  }

  /** Resets the counts. Values at the same moment may be lost. */
  clear(): void {
    clearMap(this.object, this.#map)
  }

  /**
   * Yields the current histograms at regular intervals. It ends when this is closed, or `signal` is aborted.
   *
   * @param milliseconds - the interval
   */
  every(milliseconds: number, options?: EveryOptions): AsyncGenerator<HistogramGroup<K>[], void> {
    return every(this, milliseconds, () => this.groups(), options)
  }

  toJSON(): HistogramGroup<K>[] {
    return this.groups()
  }

  /** A picture with a bar for each bucket, of all keys or of the first `count`. */
  override toString(count?: number, style?: DrawingStyle): string {
    return this.groups()
      .slice(0, count)
      .map(({ key, buckets }) => `${titleOf(key, this.unit)}\n${histogram(buckets, style)}`.trimStart())
      .join('\n')
      .trimEnd()
  }
}

/** The title of a picture: the key, and the unit. */
export const titleOf = (key: unknown, unit: string): string =>
  `${describeKey(key)}${unit === '' ? '' : ` (${unit})`}`.trimStart()

export const slotKey = (by: string | undefined): string =>
  by === undefined ? 'slotOf(value)' : `{ by: ${by}, slot: slotOf(value) }`

async function histogramOf<K>(
  probes: ProbeNames,
  slots: Slots,
  given: ValueOptions<K>,
): Promise<Histogram<K>> {
  expectOptions(given, '{ value: (r) => r.retval }')
  const { by, value, maxKeys = 10_240, ...options } = given
  if (value === undefined) throw new TraceError('the number is missing: { value: (r) => r.retval }')
  expectMaxKeys(maxKeys)
  const opened = await openSession(
    `export const slots = percpuHash<unknown, u64>(${by === undefined ? slots.count : maxKeys})${slots.code}\n${countsLosses}`,
    [
      {
        probes,
        body: (text) => {
          const key = by === undefined ? undefined : text(by as Code).expression()
          const number = text(value as Code).number()
          return `${key?.before ?? ''}
${number.before}
const value = s64(${number.text})
${orLost(`slots.add(${slotKey(key?.text)}, 1)`)}
return 0`
        },
      },
    ],
    options,
  )
  return new Histogram<K>(opened, slots, by !== undefined)
}

/**
 * Counts values by powers of two, in the kernel. (Linux 4.6)
 *
 * @example
 * await using sizes = await hist('tracepoint:syscalls:sys_exit_read', { value: 'retval', by: 'comm' })
 * await setTimeout(1000)
 * console.log(`${sizes}`)
 */
export function hist<K = undefined>(probes: ProbeNames, options: ValueOptions<K>): Promise<Histogram<K>> {
  return histogramOf(probes, powersOfTwo, options)
}

/**
 * Counts values in buckets of equal width. All values below `min` share one bucket, and so do all that are not below
 * `max`.
 */
export async function lhist<K = undefined>(
  probes: ProbeNames,
  options: ValueOptions<K> & LinearOptions,
): Promise<Histogram<K>> {
  expectOptions(options, '{ value: (r) => r.retval, min: 0, max: 1000, step: 100 }')
  return histogramOf(probes, linear(options), options)
}

export const units = { ns: 1, us: 1000, ms: 1_000_000, s: 1_000_000_000 }

export interface LatencyOptions<K> extends GroupOptions<K> {
  /** What a beginning and its end have in common; the thread by default. */
  readonly key?: string | ((record: ProbeRecord) => unknown)
  /** The unit of the buckets; `'us'` by default. */
  readonly unit?: keyof typeof units
}

/**
 * Measures the time from one probe to another, and counts it by powers of two. `by` is evaluated at the end, and
 * `filter` at the beginning. (Linux 4.6)
 *
 * @example
 * await using reads = await latency('tracepoint:syscalls:sys_enter_read', 'tracepoint:syscalls:sys_exit_read')
 */
export async function latency<K = undefined>(
  begin: ProbeNames,
  end: ProbeNames,
  { key = 'tid', by, unit = 'us', maxKeys = 10_240, filter, ...options }: LatencyOptions<K> = {},
): Promise<Histogram<K>> {
  expectMaxKeys(maxKeys)
  const divisor = units[unit]
  if (divisor === undefined) throw new TypeError(`unit is one of ${Object.keys(units).join(', ')}`)
  const opened = await openSession(
    `export const begun = hash<unknown, u64>(${maxKeys})
export const slots = percpuHash<unknown, u64>(${by === undefined ? powersOfTwo.count : maxKeys})${powersOfTwo.code}
${countsLosses}`,
    [
      {
        probes: begin,
        body: (text) => {
          const from = text(key as Code).expression()
          return `${filter === undefined ? '' : filtered(text(filter as Code))}
${from.before}
${orLost(`begun.set(${from.text}, bpf.ktimeGetNs())`)}
return 0`
        },
      },
      {
        probes: end,
        body: (text) => {
          const from = text(key as Code).expression()
          const group = by === undefined ? undefined : text(by as Code).expression()
          return `${from.before}
const since = begun.get(${from.text})
if (!since) return 0
const value = s64((bpf.ktimeGetNs() - since.value) / ${divisor})
begun.delete(${from.text})
${group?.before ?? ''}
${orLost(`slots.add(${slotKey(group?.text)}, 1)`)}
return 0`
        },
      },
    ],
    options,
  )
  return new Histogram<K>(opened, powersOfTwo, by !== undefined, { unit })
}
