import type { ProgramType } from '../native/type-names.js'

/** What the kernel says of a loaded program. */
export interface ProgramInfo {
  type: ProgramType
  id: number
  /** At most 15 characters: the kernel keeps no more. */
  name: string
  /** 8 bytes as hexadecimal digits; programs with the same instructions have the same. */
  tag: string
  /** Bytes of machine code; 0 without the JIT, or where it's hidden from this process. */
  jitedSize: number
  /** Bytes of BPF instructions after the verifier's rewriting. */
  xlatedSize: number
  /** Nanoseconds since boot. */
  loadTime: bigint
  createdByUid: number
  /** Ids of the maps that it uses. */
  mapIds: number[]
  ifindex: number
  gplCompatible: boolean
  btfId: number
  /** 0 unless statistics are on (sysctl kernel.bpf_stats_enabled). */
  runTimeNs: bigint
  runCount: bigint
  recursionMisses: bigint
  /** Linux 5.16 */
  verifiedInstructions: number
}
