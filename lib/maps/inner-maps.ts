import type { MapType } from '../native/map-types.js'
import { differences, layoutOfFd, type MapLayout } from './layout.js'
import type { InnerDeclaration, InnerMapOptions, MapOptions } from './types.js'

/** Flag for arrays in a map of maps: they can have different `maxEntries`. (Linux 5.10) */
export const BPF_F_INNER_MAP = 1 << 12

/** @internal */
export const isMapOfMaps = (type: MapType): boolean => type === 'array_of_maps' || type === 'hash_of_maps'

/**
 * Why the kernel refuses a map in a map of maps: every difference from the declaration, in words; `undefined` if there
 * is none.
 *
 * @internal
 */
export function innerMismatch(fd: number, { layout: declared }: InnerDeclaration): string | undefined {
  let found: MapLayout
  try {
    found = layoutOfFd(fd)
  } catch {
    return 'that is not the descriptor of a map'
  }
  // The number of entries can differ, except for arrays: their look-ups are compiled into the programs.
  const anyLength = found.type !== 'array' || (found.flags & BPF_F_INNER_MAP) !== 0
  const wanted = anyLength ? { ...declared, maxEntries: found.maxEntries } : declared
  const list = differences(found, wanted)
  return list.length === 0
    ? undefined
    : `that map differs from the declaration of the inner maps: ${list.join(', ')}`
}

/** How to create a map like the declaration. @internal */
export function innerOptions({ layout }: InnerDeclaration, options: InnerMapOptions): MapOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...layout, ...Object.fromEntries(given) }
}
