import { MapMetric, type MetricOptions } from './metric.js'
import { ValueReader } from './values.js'

/** A metric with one number for each series. */
export interface NumberOptions<K, V> extends MetricOptions<K, V> {
  /**
   * The number of an entry. By default it is the value, or the sum over all CPUs if it is the value of a per-CPU map.
   */
  readonly value?: (value: V, key: K) => number | bigint
  /** What the number is multiplied by: 1e-9 turns nanoseconds into seconds. */
  readonly scale?: number
}

export function numberMetric<K, V>(kind: 'counter' | 'gauge', options: NumberOptions<K, V>): MapMetric<K, V> {
  const { value, scale = 1, map } = options
  const reader = new ValueReader(map)
  const only = [0]
  return new MapMetric(kind, options, {
    boundaries: [],
    hasSum: false,
    numbersOf(found, key) {
      only[0] = Number(value === undefined ? reader.number(found) : value(found, key)) * scale
      return only
    },
  })
}
