// What the values of maps mean, unless the caller specifies it.
import { sumValues } from 'libbpf-node'
import type { MetricMap } from './metric.js'

type AnyMap = Pick<MetricMap<unknown, unknown>, 'name' | 'type'>

export const isNumber = (value: unknown): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint'

/** Reads the values of one map. */
export class ValueReader {
  readonly #name: string
  readonly #isPerCpu: boolean

  // To ask the map for each of thousands of values would take longer than to read them.
  constructor({ name, type }: AnyMap) {
    this.#name = name
    this.#isPerCpu = type.includes('percpu')
  }

  /** The value, or in a per-CPU map the sum over all CPUs. */
  total(value: unknown): unknown {
    return this.#isPerCpu && Array.isArray(value) ? sumValues(value) : value
  }

  number(value: unknown): number {
    const found = this.total(value)
    if (isNumber(found)) return Number(found)
    throw new TypeError(
      `map '${this.#name}': its values are not numbers; the option 'value' of the metric says which number is meant`,
    )
  }

  /** The slots of a histogram: the value itself, or its member `slots`. */
  slots(value: unknown): ArrayLike<number | bigint> {
    const slots = Array.isArray(value) ? value : (Object(value) as { slots?: unknown }).slots
    if (Array.isArray(slots)) return slots
    throw new TypeError(
      `map '${this.#name}': its values have no array 'slots'; the option 'counts' of the metric says where the counts are`,
    )
  }
}
