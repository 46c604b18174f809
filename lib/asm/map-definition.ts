import { type MapType, mapTypes } from '../native/map-types.js'
import { array, type CType, enumeration, type Member, pointer, type RecordType, s32 } from './c-types.js'

/** A map of an object, as C declares it in `SEC(".maps")`. */
export interface MapDefinition {
  type: MapType
  maxEntries?: number
  /** The type of its keys, or {@link keySize}. */
  key?: CType
  /** Bytes. */
  keySize?: number
  /** The type of its values, or {@link valueSize}. */
  value?: CType
  /** Bytes. */
  valueSize?: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags?: number
  /** A value that is specific to the type, such as the number of hash functions of a bloom filter. */
  extra?: bigint
  numaNode?: number
  /**
   * Pins the map under its name when the object is loaded, or uses the map that is already pinned there
   * (`LIBBPF_PIN_BY_NAME`).
   */
  pinByName?: boolean
  /** For maps of maps: the definition of the maps in it. */
  inner?: MapDefinition
  /**
   * What a map of maps or a program array contains from the start: names of maps or programs of the object by slot.
   */
  values?: readonly (string | undefined)[]
  /** Tags of `__attribute__((btf_decl_tag(...)))`. */
  tags?: readonly string[]
  /** Several files that are linked may define it, if the definitions are the same. */
  weak?: boolean
}

const LIBBPF_PIN_BY_NAME = 1

/** The struct that libbpf reads a map's definition from. It contains numbers as lengths of arrays. */
export function definitionType(name: string, map: MapDefinition): RecordType {
  const number = mapTypes.indexOf(map.type)
  if (number < 0) throw new TypeError(`map '${name}': map type '${map.type}' does not exist`)
  const members: [string, CType][] = [['type', count(number)]]
  const add = (member: string, value: number | undefined): void => {
    if (value !== undefined) members.push([member, count(value)])
  }
  if (map.key === undefined) add('key_size', map.keySize)
  else members.push(['key', pointer(map.key)])
  if (map.value === undefined) add('value_size', map.valueSize)
  else members.push(['value', pointer(map.value)])
  add('max_entries', map.maxEntries)
  add('map_flags', map.flags)
  add('numa_node', map.numaNode)
  if (map.extra !== undefined) {
    members.push(['map_extra', enumeration('', { [`__unique_value_${name}`]: map.extra }, 8)])
  }
  if (map.pinByName) add('pinning', LIBBPF_PIN_BY_NAME)
  const slots = slotType(name, map)
  // The array has no length in C; the variable is as large as what is in it.
  if (slots !== undefined) members.push(['values', array(slots, 0)])
  return layOut(members, map.values?.length ?? 0)
}

/** Where in the definition the slots begin, in bytes: the relocations for their contents are there. */
export function slotsOffset(definition: RecordType): number {
  const { members } = definition
  return (members as readonly Member[]).at(-1)!.bitOffset / 8
}

/** What a slot points to. `undefined` for maps that have no slots. */
function slotType(name: string, { type, inner, values }: MapDefinition): CType | undefined {
  if (inner !== undefined) return pointer(definitionType(`${name}.inner`, inner))
  if (values === undefined) return undefined
  if (type !== 'prog_array') throw new TypeError(`map '${name}': a map of the type ${type} has no slots`)
  return pointer({ kind: 'func_proto', returns: s32, parameters: [] })
}

const count = (value: number): CType => pointer(array(s32, value))

/** Each member takes 8 bytes, except the last one, which may be an array of `slots` pointers. */
function layOut(list: readonly [string, CType][], slots: number): RecordType {
  const members = list.map(([name, type], i) => ({ name, type, bitOffset: i * 64, bitfieldSize: 0 }))
  const last = list.at(-1)![1]
  const size = (list.length - 1) * 8 + (last.kind === 'array' ? slots * 8 : 8)
  return { kind: 'struct', name: '', size, align: 8, members }
}
