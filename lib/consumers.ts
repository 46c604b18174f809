import { BpfError } from './errors.js'
import type { BpfMap } from './map.js'

/** Ids of the maps that are read by this thread. */
const reading = new Set<number>()

/** Two consumers of a map would take records from each other. Returns the map's id. */
export function expectNoConsumer(what: string, map: BpfMap<unknown, unknown>): number {
  const { id } = map
  if (!reading.has(id)) return id
  throw new BpfError(`${what} '${map.name}' has a consumer already: close that one first`, {
    code: 'EBUSY',
    map: map.name,
  })
}

export const beginToConsume = (id: number): unknown => reading.add(id)
export const endToConsume = (id: number): unknown => reading.delete(id)
