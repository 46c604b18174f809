import type { BpfObject } from '../objects/object.js'
import type { DeclTags } from './tags.js'

/** Types of maps that records come through. */
const carriers: readonly string[] = ['ringbuf', 'perf_event_array', 'user_ringbuf']

/** What is wrong with what the caller asked for. */
export class GenerateError extends Error {}

/**
 * The C types of records by map: as given; else as a `btf_decl_tag("record:struct event")` on the map says; else, for a map of
 * LIBBPF_NODE_EVENTS, the type of what `NAME_heap` holds.
 */
export function recordTypes(
  object: BpfObject,
  tags: DeclTags,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const btf = object.types
  for (const name of given.keys()) {
    const map = object.map(name)
    if (!carriers.includes(map.type)) {
      throw new GenerateError(
        `map '${name}' is of type ${map.type}: only ${carriers.join(', ')} carry records`,
      )
    }
  }
  const found = new Map<string, string>()
  for (const [name, map] of object.maps) {
    if (!carriers.includes(map.type)) continue
    const variable = btf.find(name, 'var')
    const tag = variable === undefined ? undefined : tags.value('record', variable.id)
    const heap = object.maps.get(`${name}_heap`)?.btfValueTypeId ?? 0
    const type = given.get(name) ?? tag ?? (heap === 0 ? undefined : btf.type(heap).name)
    if (type === undefined || type === '') continue
    const bare = type.replace(/^(struct|union|enum)\s+/, '')
    if (btf.find(bare) === undefined) {
      throw new GenerateError(
        `the records of map '${name}' are of type '${type}', which BTF doesn't have: clang keeps types that a global mentions, as in 'struct ${bare} *unused_${bare} __attribute__((unused));'`,
      )
    }
    found.set(name, bare)
  }
  return found
}
