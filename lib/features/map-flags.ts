// Finds out whether the kernel knows a flag of maps: creates a map of a type that the flag is for.
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { native } from '../native/binding.js'
import type { MapType } from '../native/map-types.js'
import { mapTypeNumber } from '../native/type-names.js'
import { type Answer, judge } from './answer.js'
import { ask, type Probe } from './ask.js'
import { mapType } from './types.js'

interface Flag {
  bit: number
  type: MapType
  since: string
  /** Bytes; 4 and 8 by default. */
  sizes?: readonly [key: number, value: number]
  entries?: number
  /** Flags that go with it. */
  more?: number
}

const page = 4096
const BPF_F_NO_PREALLOC = 1 << 0
const BPF_F_MMAPABLE = 1 << 10

/** BPF_F_* of linux/bpf.h that a map can be created with. */
const flags = {
  no_prealloc: { bit: BPF_F_NO_PREALLOC, type: 'hash', since: '4.6' },
  no_common_lru: { bit: 1 << 1, type: 'lru_hash', since: '4.10', entries: 1024 },
  numa_node: { bit: 1 << 2, type: 'hash', since: '4.14' },
  rdonly: { bit: 1 << 3, type: 'hash', since: '4.15' },
  wronly: { bit: 1 << 4, type: 'hash', since: '4.15' },
  stack_build_id: { bit: 1 << 5, type: 'stack_trace', since: '4.17', sizes: [4, 32] },
  zero_seed: { bit: 1 << 6, type: 'hash', since: '5.0' },
  rdonly_prog: { bit: 1 << 7, type: 'array', since: '5.2' },
  wronly_prog: { bit: 1 << 8, type: 'array', since: '5.2' },
  mmapable: { bit: BPF_F_MMAPABLE, type: 'array', since: '5.5' },
  preserve_elems: { bit: 1 << 11, type: 'perf_event_array', since: '5.10', sizes: [4, 4] },
  inner_map: { bit: 1 << 12, type: 'array', since: '5.10' },
  segv_on_fault: { bit: 1 << 17, type: 'arena', since: '6.9', sizes: [0, 0], more: BPF_F_MMAPABLE },
  no_user_conv: { bit: 1 << 18, type: 'arena', since: '6.9', sizes: [0, 0], more: BPF_F_MMAPABLE },
  rb_overwrite: { bit: 1 << 19, type: 'ringbuf', since: '6.19', sizes: [0, 0], entries: page },
} as const satisfies Record<string, Flag>

/** A flag with which maps are created: BPF_F_* of linux/bpf.h. */
export type MapFlag = keyof typeof flags

export const mapFlagNames = Object.keys(flags) as MapFlag[]

export function* mapFlag(name: MapFlag): Probe<Answer> {
  if (!Object.hasOwn(flags, name))
    throw new TypeError(`map flag '${name}' does not exist; choose from ${mapFlagNames.join(', ')}`)
  const flag: Flag = flags[name]
  const type = yield* mapType(flag.type)
  // Without the type, the flag has no use, and the answer says why.
  if (type.answer !== 'yes') return Object.freeze({ ...type, since: flag.since })
  const create = () => tryCreate(flag)
  const result = yield* ask(create, async () => create())
  return judge(result, ['CAP_BPF'], flag.since)
}

/** Returns 1, or a negative errno. */
function tryCreate({ bit, type, sizes = [4, 8], entries = 1, more = 0 }: Flag): number {
  const [key, value] = sizes
  try {
    const number = mapTypeNumber(type)
    const all = bit | more
    const map = native.mapCreate(
      number,
      'probe',
      key,
      value,
      entries,
      all,
      0n,
      0,
      0,
      0,
      -1,
      0,
      0,
      -1,
      undefined,
      false,
    )
    native.mapClose(map)
    return 1
  } catch (error) {
    return -((error as NativeError).errno ?? constants.errno.EINVAL)
  }
}
