import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { ENOTSUPP } from '../errors/errno.js'
import type { MapType } from '../native/map-types.js'
import { storages } from './limits.js'

const { E2BIG, EBADF, EEXIST, EINVAL, ENOENT, ENOSPC, ENOTSOCK, EOPNOTSUPP } = constants.errno

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

interface Facts {
  readonly type: MapType
  readonly maxEntries: number
  readonly valueSize: number
}

/** Why the kernel refused an operation on elements, if the errno and the map's type tell. @internal */
export function elementReason({ errno, operation }: NativeError, map: Facts): string | undefined {
  const [, action] = /^bpf_map_(lookup|update|delete|lookup_and_delete)_(?:elem|batch)$/.exec(operation) ?? []
  if (action === undefined) return undefined
  if (errno === EOPNOTSUPP || errno === ENOTSUPP) return `maps of type ${map.type} do not support this`
  if (errno === EBADF) {
    return `the ${storages.includes(map.type) ? 'key' : 'value'} is not a descriptor of the right kind`
  }
  if (action === 'update') return updateReason(errno, map)
  if (action === 'delete') return deleteReason(errno, map)
  if (errno === ENOSPC && /^(sock|reuseport)/.test(map.type)) {
    return `reading a ${map.type} gives the cookies of its sockets, which have 8 bytes; its values are declared with ${map.valueSize}`
  }
  return undefined
}

function updateReason(errno: number, map: Facts): string | undefined {
  const isArray = arrays.includes(map.type)
  switch (errno) {
    case EEXIST:
      return isArray ? 'the key exists already, like all keys of an array' : 'the key exists already'
    case ENOENT:
      return 'the key does not exist'
    case ENOTSOCK:
      return 'the value is not the descriptor of a socket that this map can hold'
    case E2BIG:
      return isArray ? beyondEnd(map) : full(map)
    case ENOSPC:
      // LPM tries.
      return full(map)
    default:
      return undefined
  }
}

function deleteReason(errno: number, map: Facts): string | undefined {
  if (errno === E2BIG) return beyondEnd(map)
  if (errno !== EINVAL) return undefined
  switch (map.type) {
    case 'array':
    case 'percpu_array':
      return 'the entries of an array cannot be deleted'
    case 'devmap':
    case 'cpumap':
    case 'xskmap':
      return beyondEnd(map)
    case 'sockmap':
      return 'the key has no socket, or is beyond the end'
    default:
      return undefined
  }
}

function beyondEnd({ maxEntries }: Facts): string {
  return `the key is beyond the end: the map has ${maxEntries} ${maxEntries === 1 ? 'entry' : 'entries'}`
}

function full({ maxEntries }: Facts): string {
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
