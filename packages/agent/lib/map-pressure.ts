// How full maps are: an entry that does not fit is lost, or displaces another one.
import { MapMetric, type Metric } from '@libbpf-node/otel'
import type { BpfMap } from 'libbpf-node'

/** Types whose entries come and go. */
const counted = ['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash', 'lpm_trie', 'hash_of_maps']

/** The kernel does not say how many entries there are, so they are read. A larger map is left out. */
const mostEntries = 1 << 17
/** Milliseconds until a map is counted again. */
const validity = 60_000

export interface Fill {
  readonly map: string
  readonly type: string
  readonly entries: number
  readonly maxEntries: number
}

const known = new WeakMap<BpfMap<unknown, unknown>, { entries: number; at: number }>()

/**
 * How full the maps of an object are. Maps that a metric reads cost nothing here, because their entries were counted
 * when they were read.
 */
export async function fillOf(
  maps: Iterable<BpfMap<unknown, unknown>>,
  metrics: readonly Metric[],
): Promise<Fill[]> {
  const fills: Fill[] = []
  for (const map of maps) {
    if (map.isInternal || !counted.includes(map.type)) continue
    const { name, maxEntries } = map
    const metric = metrics.find((metric) => metric instanceof MapMetric && metric.map === map) as
      | MapMetric<unknown, unknown>
      | undefined
    if (metric === undefined && maxEntries > mostEntries) continue
    const entries = metric === undefined ? await count(map) : Math.round(metric.pressure * maxEntries)
    if (entries !== undefined) fills.push({ map: name, type: map.type, entries, maxEntries })
  }
  return fills
}

/** The number of entries; `undefined` if the map is closed in the meantime, because its program was replaced. */
async function count(map: BpfMap<unknown, unknown>): Promise<number | undefined> {
  const before = known.get(map)
  const now = performance.now()
  if (before !== undefined && now - before.at < validity) return before.entries
  let entries = 0
  try {
    for (const batch of map.batches()) {
      entries += batch.count
      await new Promise((resolve) => setImmediate(resolve))
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BPF_CLOSED') return undefined
    throw error
  }
  known.set(map, { entries, at: now })
  return entries
}
