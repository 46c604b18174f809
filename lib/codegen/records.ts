import type { BpfObject } from '../objects/object.js'
import type { DeclTags } from './tags.js'

/** The types of maps that carry records. */
const carriers: readonly string[] = ['ringbuf', 'perf_event_array', 'user_ringbuf']

/** A mistake in what the caller asked for. The message explains it. */
export class GenerateError extends Error {}

/**
 * Returns the C types of records by map. A type comes from `given`, otherwise from a `btf_decl_tag("record:struct
 * event")` on the map, otherwise, for a map of LIBBPF_NODE_EVENTS, from the values of `NAME_heap`.
 */
export function recordTypes(
  object: BpfObject,
  tags: DeclTags,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const btf = object.types
  for (const name of given.keys()) checkCarrier(name, object.map(name).type)
  const found = new Map<string, string>()
  for (const [name, map] of object.maps) {
    const variable = map.isInternal ? undefined : btf.find(name, 'var')
    const tag = variable === undefined ? undefined : tags.value('record', variable.id)
    if (tag !== undefined) checkCarrier(name, map.type)
    if (!carriers.includes(map.type)) continue
    const heap = object.maps.get(`${name}_heap`)?.btfValueTypeId ?? 0
    const type = given.get(name) ?? tag ?? (heap === 0 ? undefined : btf.type(heap).name)
    if (type === undefined || type === '') continue
    const bare = type.replace(/^(struct|union|enum)\s+/, '')
    if (btf.find(bare) === undefined) {
      throw new GenerateError(
        `the records of map '${name}' have the type '${type}', but BTF does not contain it: clang emits BTF only for types that a global refers to, so add 'struct ${bare} *unused_${bare} __attribute__((unused));'`,
      )
    }
    found.set(name, bare)
  }
  return found
}

function checkCarrier(name: string, type: string): void {
  if (carriers.includes(type)) return
  throw new GenerateError(
    `map '${name}' of type ${type} has a record type, but only maps of type ${carriers.join(', ')} carry records`,
  )
}
