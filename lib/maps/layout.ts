import type { MapType } from '../native/type-names.js'

/** What a map is made by. */
export interface MapLayout {
  type: MapType
  /** Bytes. */
  keySize: number
  /** Bytes; of a per-CPU map, for one CPU. */
  valueSize: number
  maxEntries: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags: number
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
 * Every difference, in words: `key size 8 bytes instead of 4`. Nothing where `found` is as `wanted`; what `wanted` leaves out is not looked at.
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
