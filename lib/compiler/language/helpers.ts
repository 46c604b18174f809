import type { char, Kernel, s64, u32, u64 } from './types.js'
import { onlyInTheKernel } from './word.js'

/** The helpers: functions of the kernel that programs may call. */
export interface Helpers {
  /** Nanoseconds since the machine was started, without the time that it slept. */
  ktimeGetNs(): u64
  /** Nanoseconds since the machine was started. (Linux 5.8) */
  ktimeGetBootNs(): u64
  /** The same from the last tick, which is faster and less exact. (Linux 5.11) */
  ktimeGetCoarseNs(): u64
  jiffies64(): u64
  getSmpProcessorId(): u32
  getNumaNodeId(): u32
  getPrandomU32(): u32
  /** The process in the upper 32 bits, the thread in the lower. */
  getCurrentPidTgid(): u64
  /** The group in the upper 32 bits, the user in the lower. */
  getCurrentUidGid(): u64
  getCurrentCgroupId(): u64
  /** The name of the running thread, to be assigned to a `char<16>`. */
  getCurrentComm(): char<16>
  /** A copy of what is in the memory of the running process, or zeros if it cannot be read. (Linux 5.5) */
  probeReadUser<T>(address: number): T
  /** Text in the memory of the running process, to be assigned to a `char<N>`. (Linux 5.5) */
  probeReadUserStr(address: number): char<never>
  /** Text in the kernel's memory, to be assigned to a `char<N>`. (Linux 5.5) */
  probeReadKernelStr(address: number): char<never>
  /** The running thread's struct task_struct. */
  getCurrentTask(): Kernel
  /** Sends a signal to the running process. Returns 0 or a negative error. */
  sendSignal(signal: u32): s64
}

/** The helpers. */
export const bpf: Helpers = new Proxy({} as Helpers, {
  get: (_, name) => () => onlyInTheKernel(`bpf.${String(name)}`),
})
