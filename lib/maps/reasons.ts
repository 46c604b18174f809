import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { MapType } from '../native/type-names.js'

const { E2BIG, EEXIST, EINVAL, ENOENT, ENOSPC } = constants.errno

/** Types whose keys are indexes from 0 to `maxEntries` - 1. */
const arrays: readonly MapType[] = [
  'array',
  'percpu_array',
  'prog_array',
  'perf_event_array',
  'cgroup_array',
  'array_of_maps',
  'devmap',
  'cpumap',
  'xskmap',
  'sockmap',
  'reuseport_sockarray',
]

/** Why the kernel refused an operation on elements, if the errno and the map's type tell. @internal */
export function elementReason(
  { errno, operation }: NativeError,
  map: { type: MapType; maxEntries: number; valueSize: number },
): string | undefined {
  const [, action] = /^bpf_map_(lookup|update|delete)_(?:elem|batch)$/.exec(operation) ?? []
  const isArray = arrays.includes(map.type)
  switch (action) {
    case 'update':
      if (errno === EEXIST) return isArray ? 'an array has all its entries already' : 'the key exists already'
      if (errno === ENOENT) return 'the key does not exist'
      // Only LPM tries say ENOSPC.
      if (errno === E2BIG || errno === ENOSPC) return isArray ? beyondEnd(map) : full(map)
      return undefined
    case 'delete':
      if (errno === E2BIG) return beyondEnd(map)
      if (errno === EINVAL && /^(percpu_)?array$/.test(map.type))
        return 'the entries of an array cannot be deleted'
      return undefined
    case 'lookup':
      if (errno === ENOSPC && /^(sock|reuseport)/.test(map.type)) {
        return `reading a ${map.type} gives the cookies of its sockets, which have 8 bytes; its values are declared with ${map.valueSize}`
      }
      return undefined
    default:
      return undefined
  }
}

function beyondEnd({ maxEntries }: { maxEntries: number }): string {
  return `the key is beyond the end: the map has ${maxEntries} ${maxEntries === 1 ? 'entry' : 'entries'}`
}

function full({ maxEntries }: { maxEntries: number }): string {
  return `the map is full: it has room for ${maxEntries} ${maxEntries === 1 ? 'entry' : 'entries'}`
}

/** Why a map without keys cannot be walked, and what to do instead. @internal */
export function withoutKeys(type: MapType): string {
  switch (type) {
    case 'queue':
    case 'stack':
      return `has no keys, because it is a ${type}: take its values out with lookupAndDelete(undefined), or look at the next one with get(undefined)`
    case 'ringbuf':
      return 'has no keys, because it is a ring buffer: read it with RingBuffer'
    case 'user_ringbuf':
      return 'has no keys, because it is a user ring buffer: write it with UserRingBuffer'
    case 'arena':
      return 'has no keys, because it is an arena: use mmapArena()'
    default:
      return `has no keys, because it is of type ${type}`
  }
}
