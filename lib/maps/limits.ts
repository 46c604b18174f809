// What the kernel's map types require of the sizes that a map is declared with.
import type { MapType } from '../native/map-types.js'
import type { MapLayout } from './layout.js'

const BPF_F_NO_PREALLOC = 1
const BPF_F_MMAPABLE = 1 << 10
const pageSize = 4096
const longestMapName = 15

const fourOrEight: readonly MapType[] = [
  'sockmap',
  'sockhash',
  'devmap',
  'devmap_hash',
  'cpumap',
  'reuseport_sockarray',
]
const descriptors: readonly MapType[] = [
  'prog_array',
  'perf_event_array',
  'cgroup_array',
  'array_of_maps',
  'hash_of_maps',
  'xskmap',
]
const indexed: readonly MapType[] = [
  'array',
  'percpu_array',
  'prog_array',
  'perf_event_array',
  'cgroup_array',
  'array_of_maps',
  'sockmap',
  'devmap',
  'devmap_hash',
  'cpumap',
  'xskmap',
  'reuseport_sockarray',
  'stack_trace',
]
const rings: readonly MapType[] = ['ringbuf', 'user_ringbuf']
const withoutKey: readonly MapType[] = ['queue', 'stack', 'bloom_filter', 'ringbuf', 'user_ringbuf', 'arena']
/** Types that store values in kernel objects, with a descriptor of the object as the key. @internal */
export const storages: readonly MapType[] = ['sk_storage', 'inode_storage', 'task_storage', 'cgrp_storage']
const withoutEntries: readonly MapType[] = [
  ...storages,
  'cgroup_storage',
  'percpu_cgroup_storage',
  'struct_ops',
]

/**
 * What the kernel does not accept about a map, and what it accepts instead; `undefined` if nothing is known to be
 * wrong. @internal
 */
export function wrongLayout(map: Omit<MapLayout, 'extra'>, name = ''): string | undefined {
  return wrongEntries(map) ?? wrongKey(map) ?? wrongValue(map) ?? wrongFlags(map) ?? wrongName(name)
}

function wrongEntries({ type, maxEntries }: Omit<MapLayout, 'extra'>): string | undefined {
  if (withoutEntries.includes(type)) {
    return maxEntries === 0 ? undefined : `maxEntries is ${maxEntries}, but maps of type ${type} require 0`
  }
  if (maxEntries === 0) return `maxEntries is 0, but maps of type ${type} require at least 1`
  const isPowerOfTwo = (maxEntries & (maxEntries - 1)) === 0
  return rings.includes(type) && (!isPowerOfTwo || maxEntries % pageSize !== 0)
    ? `maxEntries is ${maxEntries}, but the size of a ring buffer is a power of two and a multiple of the page size`
    : undefined
}

function wrongKey({ type, keySize }: Omit<MapLayout, 'extra'>): string | undefined {
  const must = (size: string) => `the key has ${keySize} bytes, but maps of type ${type} require ${size}`
  if (withoutKey.includes(type)) return keySize === 0 ? undefined : must('none')
  if (indexed.includes(type) || storages.includes(type)) return keySize === 4 ? undefined : must('4')
  if (type === 'lpm_trie') return keySize > 4 && keySize <= 260 ? undefined : must('5 to 260')
  return keySize === 0 && type !== 'struct_ops' ? must('at least one') : undefined
}

function wrongValue({ type, valueSize }: Omit<MapLayout, 'extra'>): string | undefined {
  const must = (size: string) => `the value has ${valueSize} bytes, but maps of type ${type} require ${size}`
  if (rings.includes(type) || type === 'arena') return valueSize === 0 ? undefined : must('none')
  if (descriptors.includes(type)) return valueSize === 4 ? undefined : must('4')
  if (fourOrEight.includes(type)) return valueSize === 4 || valueSize === 8 ? undefined : must('4 or 8')
  if (type === 'stack_trace')
    return valueSize > 0 && valueSize % 8 === 0 ? undefined : must('a multiple of 8')
  return valueSize === 0 ? must('at least one') : undefined
}

function wrongFlags({ type, flags }: Omit<MapLayout, 'extra'>): string | undefined {
  const needsNoPrealloc = type === 'lpm_trie' || storages.includes(type)
  if (needsNoPrealloc && (flags & BPF_F_NO_PREALLOC) === 0)
    return `maps of type ${type} require the flag BPF_F_NO_PREALLOC`
  return type === 'arena' && (flags & BPF_F_MMAPABLE) === 0
    ? 'an arena requires the flag BPF_F_MMAPABLE'
    : undefined
}

function wrongName(name: string): string | undefined {
  const [odd] = /[^\w.]/.exec(name.slice(0, longestMapName)) ?? []
  return odd === undefined ? undefined : `its name may only have letters, digits, '_' and '.', not '${odd}'`
}
