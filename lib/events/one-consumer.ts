import { BpfError } from '../errors/errors.js'
import type { BpfMap } from '../maps/map.js'

/** How many handles this thread reads a map by, under the map's id. */
const handles = new Map<number, number>()

/** A forgotten one's native part goes in the immediates after its collection, and may take its successor's buffer out of the map: not before that. */
const forgotten = new FinalizationRegistry<number>((id) => setImmediate(() => count(id, -1)))

function count(id: number, by: 1 | -1): void {
  const sum = (handles.get(id) ?? 0) + by
  if (sum > 0) handles.set(id, sum)
  else handles.delete(id)
}

/** Two consumers of a map would take records from each other. Returns the map's id. */
export function expectNoConsumer(what: string, map: BpfMap<unknown, unknown>): number {
  const { id } = map
  if (!handles.has(id)) return id
  throw new BpfError(`${what} '${map.name}' has a consumer already: close that one first`, {
    code: 'EBUSY',
    map: map.name,
  })
}

export function beginToConsume(id: number, handle: object): void {
  count(id, 1)
  forgotten.register(handle, id, handle)
}

/** Once for each that has begun. */
export function endToConsume(id: number, handle: object): void {
  forgotten.unregister(handle)
  count(id, -1)
}
