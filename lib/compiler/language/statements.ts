import type { Declared, KernelIterators, Kfuncs, Struct } from './kernel.js'
import type { char, Kernel, TextPointer, UserPointer, u32, u64 } from './types.js'
import { onlyInTheKernel, word } from './word.js'

/** A value on the stack whose bytes are all 0: `const event = zero<Event>()`. */
export const zero: <T>() => T = word('zero')

/**
 * An object in memory of the kernel, whose members are 0, or null if there is no memory. The program has to put it into
 * a list or a tree, or to `free` it (`bpf_obj_new`). (Linux 6.6)
 */
export const allocate: <T>() => T | null = word('allocate')

/** Frees an object that the program holds (`bpf_obj_drop`). (Linux 6.6) */
export const free: (object: object) => void = word('free')

/**
 * The numbers from 0 to `rounds - 1`, for `for (const i of range(10))`.
 *
 * @param rounds - 8 million at most. The kernel counts them if they are more than 8192 or not constant (Linux 6.4; with `oldestKernel`, 5.17)
 * @param most - a constant: the most rounds there are, whatever `rounds` is. With it, every kernel takes a `rounds` that is not constant
 */
export const range: (rounds: number, most?: number) => Iterable<u32> = word('range')

/** How many bytes a type or a value has. For the kernel's own structs and their members, libbpf finds out when it loads the program. */
export const sizeof: <T>(value?: T) => u32 = word('sizeof')

/**
 * Whether the kernel that the program is loaded into has a member, as in `exists(task.comm)`, or a value of an enum, as in
 * `exists(enumValue('bpf_map_type', 'BPF_MAP_TYPE_ARENA'))`. The verifier leaves out what stands in `if (exists(...))` where there is none.
 */
export const exists: (member: unknown) => boolean = word('exists')

/** A value of an enum of the kernel that the program is loaded into: `enumValue('bpf_map_type', 'BPF_MAP_TYPE_HASH')`. */
export const enumValue: (name: string, value: string) => u32 = word('enumValue')

/**
 * The struct of the kernel that is at an address, for pointers that have another type there: `cast('tcp_sock', sk).bytes_acked`. What is not
 * at that address is read as something else.
 *
 * @param address - a pointer to another struct, or a number
 */
export const cast: <N extends string>(struct: N, address: number | object | TextPointer) => Struct<N> =
  word('cast')

/**
 * A struct of the kernel as the program declares it, for members that not all kernels have: `flavor<task_struct___old>(task).state`. The interface is
 * called like the struct, with three underscores and a word behind it, and has the members that are read.
 */
export const flavor: <T>(pointer: unknown) => T = word('flavor')

/**
 * The number of the highest bit that is set, which is the logarithm rounded down: 3 for 8 to 15, and 0 for numbers below
 * 2. It is where a value belongs in a histogram of powers of two: `latency.slots[log2(took, 31)] += 1`.
 *
 * @param most - a constant: the largest result, for a histogram with fewer slots than numbers have bits
 */
export const log2: (value: number | bigint, most?: number) => u32 = word('log2')

/**
 * A register of what was interrupted, by its name: `register('ip')` on x64, where its names are those of struct pt_regs (`ax`, `di`, `sp`, `r8`),
 * and `register('pc')`, `register('r0')` on arm64. For programs of kprobes, uprobes, USDT probes and perf events.
 */
export const register: (name: string) => u64 = word('register')

/**
 * Writes a line into the kernel's trace, which `npx libbpf-node trace` shows: ``print(`${comm} has pid ${pid}`)``. Values are numbers and text.
 * More than three need Linux 5.16, and more than one text or a percent sign Linux 5.13.
 */
export const print: (text: string) => void = word('print')

type LogTag = (text: TemplateStringsArray, ...values: readonly unknown[]) => void

/**
 * A line for a logger in Node.js: ``log.info`${comm} has pid ${pid}` ``. The program records the values, and `logTo` of
 * `libbpf-node/log` makes the text. Values are numbers and text. Lines below the level that `logTo` sets, at first info,
 * are not recorded; `libbpf_node_log_level` in `object.data` has it. (Linux 5.8)
 */
export const log: {
  readonly trace: LogTag
  readonly debug: LogTag
  readonly info: LogTag
  readonly warn: LogTag
  readonly error: LogTag
  readonly fatal: LogTag
} = {
  trace: word('log.trace'),
  debug: word('log.debug'),
  info: word('log.info'),
  warn: word('log.warn'),
  error: word('log.error'),
  fatal: word('log.fatal'),
}

/**
 * Text in the memory of the running process, to be assigned to a `char<N>`. (Linux 5.5)
 *
 * @param address - where it is
 * @param length - how many bytes it has, if it does not end with a zero byte; what has no room is cut off
 */
export const str: (address: number | TextPointer | UserPointer, length?: number) => char<never> = word('str')

/**
 * Functions of the kernel that programs may call by their names: `kfunc.bpf_task_from_pid(pid)`. Their prototypes are
 * those of the kernel. What some of them return has to be compared with null, and given back. (Linux 5.13)
 */
export const kfunc: Kfuncs &
  (Declared extends { all: true } ? unknown : { readonly [name: string]: (...args: unknown[]) => Kernel }) =
  new Proxy({}, { get: (_, name) => () => onlyInTheKernel(`kfunc.${String(name)}`) })

/**
 * The kernel's iterators over what it has, for loops: `for (const task of each.task()) { ... }` goes over all processes.
 * Their arguments are those of the kernel's `bpf_iter_<name>_new`, of which numbers and pointers that may be null can be
 * left out at the end. The loop can be left in any way. Programs that sleep hold RCU in a loop whose elements it keeps,
 * so nothing in it may sleep. (Linux 6.7)
 */
export const each: KernelIterators &
  (Declared extends { all: true }
    ? unknown
    : { readonly [name: string]: (...args: unknown[]) => Iterable<Kernel> }) = new Proxy(
  {},
  { get: (_, name) => () => onlyInTheKernel(`each.${String(name)}`) },
)
