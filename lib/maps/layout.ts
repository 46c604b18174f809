import type { MapHandle } from '../../types/binding.js'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import { mapTypeName } from '../native/type-names.js'

/** The properties with which a map is created. */
export interface MapLayout {
  type: MapType
  /** Bytes. */
  keySize: number
  /** Bytes; for a per-CPU map, the size of one CPU's value. */
  valueSize: number
  maxEntries: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags: number
  /** Type-specific extra value, such as the number of hash functions of a bloom filter. */
  extra: bigint
}

const words: readonly [name: keyof MapLayout, say: string, unit: string][] = [
  ['type', 'type', ''],
  ['keySize', 'key size', ' bytes'],
  ['valueSize', 'value size', ' bytes'],
  ['maxEntries', 'maxEntries', ''],
  ['flags', 'flags', ''],
  ['extra', 'extra', ''],
]

/**
 * Describes every difference in words: `key size 8 bytes instead of 4`. The list is empty if `found` is as `wanted`.
 * Properties that `wanted` leaves out are not compared.
 *
 * @internal
 */
export function differences(found: MapLayout, wanted: Partial<MapLayout>): string[] {
  return words
    .filter(([name]) => wanted[name] !== undefined && found[name] !== wanted[name])
    .map(([name, say, unit]) => `${say} ${shown(name, found)}${unit} instead of ${shown(name, wanted)}`)
}

function shown(name: keyof MapLayout, layout: Partial<MapLayout>): string {
  return name === 'flags' ? `0x${layout.flags!.toString(16)}` : String(layout[name])
}

/** @internal */
export function layoutOf({ type, keySize, valueSize, maxEntries, flags, extra }: MapLayout): MapLayout {
  return { type, keySize, valueSize, maxEntries, flags, extra }
}

/** The layout of a map that is declared in an object or exists in the kernel. @internal */
export function declaredLayout(handle: MapHandle): MapLayout {
  return {
    type: mapTypeName(native.mapType(handle)),
    keySize: native.mapKeySize(handle),
    valueSize: native.mapValueSize(handle),
    maxEntries: native.mapMaxEntries(handle),
    flags: native.mapFlags(handle),
    extra: native.mapExtra(handle),
  }
}

/** The layout of the map behind a descriptor. Throws an error of native code if it is not a map. @internal */
export function layoutOfFd(fd: number): MapLayout {
  const handle = native.mapFromFd(fd)
  try {
    return declaredLayout(handle)
  } finally {
    native.mapClose(handle)
  }
}
