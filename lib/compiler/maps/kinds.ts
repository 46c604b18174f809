// The functions that make maps, and what their types and functions are.
import type { MapDefinition } from '../../asm/map-definition.js'

/** What the type parameters are. */
export type Parameters =
  | 'key and value'
  /** The keys are numbers from 0. */
  | 'value'
  /** There are no keys. */
  | 'only value'
  | 'key'
  | 'record'
  /** The struct that programs and user space share. */
  | 'struct'
  | 'none'

/** Which functions a map has. */
export type Family =
  | 'elements'
  | 'elements of each CPU'
  | 'ring'
  | 'perf events'
  | 'user ring'
  | 'queue'
  | 'filter'
  | 'maps'
  | 'storage'
  | 'programs'
  | 'stacks'
  | 'redirect'
  | 'sockets'
  | 'reuseport'
  | 'cgroups'
  | 'arena'

export interface MapKind {
  readonly type: MapDefinition['type']
  readonly parameters: Parameters
  readonly family: Family
  /** What the constant is: a number of entries, bytes or pages, or nothing. */
  readonly size: 'entries' | 'bytes' | 'pages' | 'none'
  /** `BPF_F_*` that the kernel requires. */
  readonly flags?: number
  /** The first version of Linux that has it. */
  readonly since: string
}

const BPF_F_NO_PREALLOC = 1
const BPF_F_MMAPABLE = 1 << 10

const kind = (
  type: MapKind['type'],
  parameters: Parameters,
  family: Family,
  since: string,
  rest: Partial<MapKind> = {},
): MapKind => ({ type, parameters, family, since, size: 'entries', ...rest })

const noPrealloc = { flags: BPF_F_NO_PREALLOC }
const storage = (type: MapKind['type'], since: string): MapKind =>
  kind(type, 'only value', 'storage', since, { size: 'none', ...noPrealloc })

export const mapKinds: Readonly<Record<string, MapKind>> = {
  hash: kind('hash', 'key and value', 'elements', '3.19'),
  lruHash: kind('lru_hash', 'key and value', 'elements', '4.10'),
  percpuHash: kind('percpu_hash', 'key and value', 'elements of each CPU', '4.6'),
  lruPercpuHash: kind('lru_percpu_hash', 'key and value', 'elements of each CPU', '4.10'),
  array: kind('array', 'value', 'elements', '3.19'),
  percpuArray: kind('percpu_array', 'value', 'elements of each CPU', '4.6'),
  lpmTrie: kind('lpm_trie', 'key and value', 'elements', '4.11', noPrealloc),
  ringbuf: kind('ringbuf', 'record', 'ring', '5.8', { size: 'bytes' }),
  userRingbuf: kind('user_ringbuf', 'record', 'user ring', '6.1', { size: 'bytes' }),
  perfEvents: kind('perf_event_array', 'record', 'perf events', '4.4', { size: 'none' }),
  queue: kind('queue', 'only value', 'queue', '4.20'),
  stack: kind('stack', 'only value', 'queue', '4.20'),
  bloomFilter: kind('bloom_filter', 'only value', 'filter', '5.16'),
  hashOfMaps: kind('hash_of_maps', 'key', 'maps', '4.12'),
  arrayOfMaps: kind('array_of_maps', 'none', 'maps', '4.12'),
  taskStorage: storage('task_storage', '5.11'),
  socketStorage: storage('sk_storage', '5.2'),
  inodeStorage: storage('inode_storage', '5.10'),
  cgroupStorage: storage('cgrp_storage', '6.2'),
  programArray: kind('prog_array', 'none', 'programs', '4.2'),
  stackTraces: kind('stack_trace', 'none', 'stacks', '4.6'),
  devmap: kind('devmap', 'none', 'redirect', '4.14'),
  devmapHash: kind('devmap_hash', 'none', 'redirect', '5.4'),
  cpumap: kind('cpumap', 'none', 'redirect', '4.15'),
  xskmap: kind('xskmap', 'none', 'redirect', '4.18'),
  sockmap: kind('sockmap', 'none', 'sockets', '4.14'),
  sockhash: kind('sockhash', 'key', 'sockets', '4.18'),
  reuseportArray: kind('reuseport_sockarray', 'none', 'reuseport', '4.19'),
  cgroupArray: kind('cgroup_array', 'none', 'cgroups', '4.8'),
  arena: kind('arena', 'struct', 'arena', '6.9', { size: 'pages', flags: BPF_F_MMAPABLE }),
}

/** How a map is declared, for messages. */
export function exampleOf(name: string): string {
  const { parameters, size, family } = mapKinds[name]!
  const count = { entries: '1024', bytes: '256 * 1024', pages: '16', none: '' }[size]
  const types = {
    'key and value': '<u32, u64>',
    value: '<u64>',
    'only value': '<u64>',
    key: '<u32>',
    record: '<Event>',
    struct: '<Shared>',
    none: '',
  }
  return `${name}${types[parameters]}(${count}${family === 'maps' ? ', hash<u32, u64>(64)' : ''})`
}
