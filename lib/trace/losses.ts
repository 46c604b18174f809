// Maps have room for a limited number of keys. What does not fit is counted.
import type { BpfMap } from '../maps/map.js'
import type { BpfObject } from '../objects/object.js'

/** The variable that losses are counted in. */
export const countsLosses = 'export let lost = data<u64>(0)'

/** A call that returns whether there was room. */
export const orLost = (call: string): string => `if (!${call}) lost += 1`

export const lostIn = (object: BpfObject): number => Number((object.data as { lost: bigint }).lost)

export function expectMaxKeys(maxKeys: number): void {
  if (!Number.isInteger(maxKeys) || maxKeys < 1 || maxKeys > 2 ** 24)
    throw new RangeError(`maxKeys is ${maxKeys}, and not a whole number from 1 to ${2 ** 24}`)
}

/** Removes all keys of a map, or sets the values of an array to 0. */
export function clearMap(object: BpfObject, name: string): void {
  const map = object.map(name) as unknown as BpfMap<unknown, bigint[]>
  if (map.type === 'percpu_array') {
    for (const [key, values] of [...map.entries()])
      map.set(
        key,
        values.map(() => 0n),
      )
    return
  }
  for (const key of [...map.keys()]) map.delete(key)
}
