import type { ProgramType } from '../native/type-names.js'

/** What the kernel reports about a program. It has bigints: use {@link jsonReplacer} to write it as JSON. */
export interface ProgramInfo {
  type: ProgramType
  id: number
  /** At most 15 characters, because the kernel truncates longer names. */
  name: string
  /** A hash of the instructions, as 16 hexadecimal digits. */
  tag: string
  /** The size of the machine code in bytes; 0 without the JIT, or if it is hidden from this process. */
  jitedSize: number
  /** The size of the BPF instructions in bytes, after the verifier has rewritten them. */
  xlatedSize: number
  /** When the program was loaded, in nanoseconds since boot. */
  loadTime: bigint
  /** The id of the user who loaded it. */
  createdByUid: number
  /** The ids of the maps that it uses. */
  mapIds: number[]
  /** The index of the network device that it is offloaded to; 0 for none. */
  ifindex: number
  /** Whether its license is compatible with the GPL. */
  gplCompatible: boolean
  /** The id of its BTF; 0 for none. */
  btfId: number
  /**
   * The total duration of its runs in nanoseconds; 0 unless statistics are on: {@link enableStats}, or sysctl
   * kernel.bpf_stats_enabled.
   */
  runTimeNs: bigint
  /** The number of its runs, if statistics are on. */
  runCount: bigint
  /** How often it did not run because it was already running on the same CPU. (Linux 5.12) */
  recursionMisses: bigint
  /** The number of instructions that the verifier processed. (Linux 5.16) */
  verifiedInstructions: number
}
