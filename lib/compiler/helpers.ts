// The helpers that programs call as bpf.name(...), and what they return.
import { type HelperName, helperNumber } from '../asm/helper-names.js'
import { type IntType, s64, u32, u64 } from './types.js'

export interface HelperSignature {
  readonly number: number
  readonly returns: IntType
  /** The types of its arguments. */
  readonly parameters: readonly IntType[]
}

const make = (name: HelperName, returns: IntType, ...parameters: IntType[]): HelperSignature => ({
  number: helperNumber(name),
  returns,
  parameters,
})

/** By the name in programs, which is the kernel's in camel case. */
export const helpers: Readonly<Record<string, HelperSignature>> = {
  ktimeGetNs: make('ktime_get_ns', u64),
  ktimeGetBootNs: make('ktime_get_boot_ns', u64),
  ktimeGetCoarseNs: make('ktime_get_coarse_ns', u64),
  jiffies64: make('jiffies64', u64),
  getSmpProcessorId: make('get_smp_processor_id', u32),
  getNumaNodeId: make('get_numa_node_id', u32),
  getPrandomU32: make('get_prandom_u32', u32),
  getCurrentPidTgid: make('get_current_pid_tgid', u64),
  getCurrentUidGid: make('get_current_uid_gid', u64),
  getCurrentCgroupId: make('get_current_cgroup_id', u64),
  sendSignal: make('send_signal', s64, u32),
}

export const helperNumbers = {
  mapLookup: helperNumber('map_lookup_elem'),
  mapUpdate: helperNumber('map_update_elem'),
  mapDelete: helperNumber('map_delete_elem'),
  getCurrentComm: helperNumber('get_current_comm'),
  getCurrentTask: helperNumber('get_current_task'),
  probeReadKernel: helperNumber('probe_read_kernel'),
  probeReadKernelStr: helperNumber('probe_read_kernel_str'),
  probeReadUserStr: helperNumber('probe_read_user_str'),
  ringbufReserve: helperNumber('ringbuf_reserve'),
  ringbufSubmit: helperNumber('ringbuf_submit'),
  ringbufDiscard: helperNumber('ringbuf_discard'),
} as const
