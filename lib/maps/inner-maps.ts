import { differences, type MapLayout } from './layout.js'

/** `BPF_F_INNER_MAP`: an array in a map of maps may have another `maxEntries` than the others. (Linux 5.10) */
export const BPF_F_INNER_MAP = 1 << 12

/**
 * Why the kernel refuses a map in a map of maps: every difference to what is declared, in words; `undefined` where there is none.
 *
 * @internal
 */
export function innerMismatch(found: MapLayout, declared: MapLayout): string | undefined {
  // The kernel lets the number of entries differ, but of arrays: their look-ups are compiled into the programs.
  const anyLength = found.type !== 'array' || (found.flags & BPF_F_INNER_MAP) !== 0
  const wanted = anyLength ? { ...declared, maxEntries: found.maxEntries } : declared
  const list = differences(found, wanted)
  return list.length === 0
    ? undefined
    : `that map is not like those that it is declared to hold: ${list.join(', ')}`
}
