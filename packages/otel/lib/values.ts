// What the values of maps mean, unless the caller says it.
import { sumValues } from 'libbpf-node'
import type { MetricMap } from './metric.js'

// biome-ignore format: a line for each kind
type AnyMap = Pick<MetricMap<unknown, unknown>, 'name' | 'type'>

export const isNumber = (value: unknown): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint'

/** The value, or in a per-CPU map the sum over all CPUs. */
export function total({ type }: AnyMap, value: unknown): unknown {
  return type.includes('percpu') && Array.isArray(value) ? sumValues(value) : value
}

export function numberIn(map: AnyMap, value: unknown): number {
  const found = total(map, value)
  if (isNumber(found)) return Number(found)
  throw new TypeError(
    `map '${map.name}': its values are not numbers; the option 'value' of the metric says which number is meant`,
  )
}

/** The slots of a histogram: the value itself, or its member `slots`. */
export function slotsIn(map: AnyMap, value: unknown): ArrayLike<number | bigint> {
  const slots = Array.isArray(value) ? value : (Object(value) as { slots?: unknown }).slots
  if (Array.isArray(slots)) return slots
  throw new TypeError(
    `map '${map.name}': its values have no array 'slots'; the option 'counts' of the metric says where the counts are`,
  )
}
