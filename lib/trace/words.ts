// What functions of probes get and may call, as TypeScript sees it. These functions never run here.
import type { Kernel } from '../compiler/language/types.js'

/** What a function of a probe gets as its parameter. */
export interface ProbeRecord {
  /** The name of the running thread. */
  readonly comm: string
  /** The running process. */
  readonly pid: number
  /** The running thread. */
  readonly tid: number
  readonly uid: number
  readonly gid: number
  readonly cpu: number
  /** Nanoseconds since the machine was started, without the time that it slept. */
  readonly nsecs: number
  /** Nanoseconds since the session began. */
  readonly elapsed: number
  /** The id of the cgroup (version 2) of the running process. */
  readonly cgroup: number
  /** The running thread's `struct task_struct`. */
  readonly task: Kernel
  /** A random number of 32 bits. */
  readonly rand: number
  /** The arguments of the function, or the fields of the tracepoint, by their names. */
  readonly args: { readonly [name: string]: Kernel }
  /** The same as the functions with these names, for code that is bundled or minified. */
  readonly str: (address: number, length?: number) => string
  readonly kstr: (address: number, length?: number) => string
  readonly cast: (struct: string, address: number | object) => Kernel
  readonly reg: (name: string) => number
  readonly ksym: (address: number | object) => string
  readonly usym: (address: number | object) => string
  readonly u32: (number: number) => number
  readonly s32: (number: number) => number
  /** What the function returned: for kretprobe, fexit and tracepoints of the kind `sys_exit`. */
  readonly retval: number
  /** The name of the probe, such as `kprobe:vfs_read`. */
  readonly probe: string
  /** The first argument, and so on. */
  readonly arg0: Kernel
  readonly arg1: Kernel
  readonly arg2: Kernel
  readonly arg3: Kernel
  readonly arg4: Kernel
  readonly arg5: Kernel
}

function onlyInTheKernel(): never {
  throw new Error(
    'str, kstr, ksym, usym, reg and cast only work inside functions of probes, which run in the kernel',
  )
}

/**
 * The text at an address in the memory of the running process. It ends at a zero byte, after 127 bytes, or after `length`
 * bytes if that is less.
 */
export const str: (address: number, length?: number) => string = onlyInTheKernel

/** The same for the kernel's memory. */
export const kstr: (address: number, length?: number) => string = onlyInTheKernel

/**
 * The name of the function of the kernel that is at an address: `count('workqueue:workqueue_execute_start', { by: (r)
 * => ksym(r.args.function) })`. In the kernel it stays an address. The name is looked up when you read the answer or
 * the event: `vfs_read`, `vfs_read+12` inside of the function, or `0xffffffff81234567` if the name is not known.
 */
export const ksym: (address: number | object) => string = onlyInTheKernel

/** The same for an address in the running process, whose functions have names as long as the process exists. */
export const usym: (address: number | object) => string = onlyInTheKernel

/**
 * A register of the code that was interrupted, at kprobes, uprobes, USDT probes, timers and counters: `reg('ip')`, as
 * in bpftrace. The names are those of `register` on the kernel side.
 */
export const reg: (name: string) => number = onlyInTheKernel

/**
 * The kernel struct at an address, or that a pointer to another struct points to:
 * `cast('tcp_sock', args.sk).bytes_acked`.
 */
export const cast: (struct: string, address: number | object) => Kernel = onlyInTheKernel
