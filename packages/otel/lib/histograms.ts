import type { Buckets } from './buckets.js'
import { MapMetric, type MetricOptions } from './metric.js'
import { isNumber, ValueReader } from './values.js'

/** A metric with the counts of buckets for each series. */
export interface HistogramOptions<K, V> extends MetricOptions<K, V> {
  readonly buckets: Buckets
  /**
   * The counts of all slots of an entry. By default they are the value if it is an array, or its member `slots`, summed
   * over all CPUs in a per-CPU map.
   */
  readonly counts?: (value: V, key: K) => ArrayLike<number | bigint>
  /** For maps with one entry per slot, whose value is the count: the slot that the key stands for. */
  readonly slot?: (key: K) => number
  /**
   * The sum of all values that were counted in an entry, in the unit of the metric. By default it is the member `sum`,
   * if there is one, multiplied by `sumScale`. Without a sum, averages cannot be computed.
   */
  readonly sum?: (value: V, key: K) => number | bigint
  /** What the member `sum` is multiplied by: 1e-6 turns microseconds into seconds. */
  readonly sumScale?: number
}

export function histogramMetric<K, V>(options: HistogramOptions<K, V>): MapMetric<K, V> {
  const { map, buckets, counts, slot, sum, sumScale = 1, name } = options
  if (counts !== undefined && slot !== undefined)
    throw new TypeError(`metric ${name}: a histogram has either counts or a slot for each key`)
  const { boundaries } = buckets
  const slots = boundaries.length + 1
  const reader = new ValueReader(map)
  const numbers = new Float64Array(slots + 1)
  const at = (i: number): number => Math.min(slots - 1, Math.max(0, i))
  const shape = {
    boundaries,
    hasSum: sum !== undefined,
    numbersOf(value: V, key: K) {
      numbers.fill(0)
      if (slot !== undefined) numbers[at(slot(key))] = reader.number(value)
      else {
        const entry = counts !== undefined && sum !== undefined ? undefined : reader.total(value)
        const found = counts?.(value, key) ?? reader.slots(entry)
        for (let i = 0; i < found.length; i++) numbers[at(i)]! += Number(found[i])
        const own = (Object(entry) as { sum?: unknown }).sum
        if (sum === undefined && isNumber(own)) {
          shape.hasSum = true
          numbers[slots] = Number(own) * sumScale
        }
      }
      if (sum !== undefined) numbers[slots] = Number(sum(value, key))
      return numbers
    },
  }
  return new MapMetric('histogram', options, shape)
}
