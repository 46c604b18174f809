import type { Declared, KernelIterators, Kfuncs, Struct } from './kernel.js'
import type { char, Kernel, TextPointer, UserPointer, u32, u64 } from './types.js'
import { onlyInTheKernel, word } from './word.js'

/** A value on the stack whose bytes are all 0: `const event = zero<Event>()`. */
export const zero: <T>() => T = word('zero')

/**
 * A new object in kernel memory with all members 0, or null if there is no memory. The program has to put it into a
 * list or a tree, or `free` it (`bpf_obj_new`). (Linux 6.6)
 */
export const allocate: <T>() => T | null = word('allocate')

/** Frees an object that the program holds (`bpf_obj_drop`). (Linux 6.6) */
export const free: (object: object) => void = word('free')

/**
 * The numbers from 0 to `rounds - 1`, for `for (const i of range(10))`.
 *
 * @param rounds - 8 million at most. The kernel counts the rounds if there are more than 8192 or their number is not a
 * constant (Linux 6.4; with `oldestKernel`, 5.17)
 * @param most - a constant: the largest number of rounds, whatever `rounds` is. With it, every kernel accepts a
 * `rounds` that is not a constant
 */
export const range: (rounds: number, most?: number) => Iterable<u32> = word('range')

/**
 * The size of a type or a value in bytes. libbpf finds the size of the kernel's own structs and their members when it
 * loads the program.
 */
export const sizeof: <T>(value?: T) => u32 = word('sizeof')

/**
 * Whether the kernel that the program is loaded into has a member, as in `exists(task.comm)`, or a value of an enum, as
 * in `exists(enumValue('bpf_map_type', 'BPF_MAP_TYPE_ARENA'))`. Where it does not exist, the verifier skips the code in
 * `if (exists(...))`.
 */
export const exists: (member: unknown) => boolean = word('exists')

/**
 * The value of an enum constant in the kernel that the program is loaded into:
 * `enumValue('bpf_map_type', 'BPF_MAP_TYPE_HASH')`.
 */
export const enumValue: (name: string, value: string) => u32 = word('enumValue')

/**
 * The kernel struct at an address, for pointers that are declared with another type:
 * `cast('tcp_sock', sk).bytes_acked`. If something else is at that address, it is read as if it were that struct.
 *
 * @param address - a pointer to another struct, or a number
 */
export const cast: <N extends string>(struct: N, address: number | object | TextPointer) => Struct<N> =
  word('cast')

/**
 * A struct of the kernel as the program declares it, for members that not all kernels have:
 * `flavor<task_struct___old>(task).state`. The name of the interface is that of the struct, followed by three
 * underscores and a word; its members are those that are read.
 */
export const flavor: <T>(pointer: unknown) => T = word('flavor')

/**
 * The index of the highest bit that is set, which is the logarithm rounded down: 3 for 8 to 15, and 0 for numbers below
 * 2. Use it as a value's index in a histogram of powers of two: `latency.slots[log2(took, 31)] += 1`.
 *
 * @param most - a constant: the largest result, for a histogram with fewer slots than numbers have bits
 */
export const log2: (value: number | bigint, most?: number) => u32 = word('log2')

/**
 * A register of the code that was interrupted, by name: `register('ip')` on x64, where the names are those of struct
 * pt_regs (`ax`, `di`, `sp`, `r8`), and `register('pc')`, `register('r0')` on arm64. For programs of kprobes, uprobes,
 * USDT probes and perf events.
 */
export const register: (name: string) => u64 = word('register')

/**
 * Writes a line into the kernel's trace, which `npx libbpf-node trace` shows: ``print(`${comm} has pid ${pid}`)``.
 * Values are numbers and text. More than three values need Linux 5.16. More than one text, or a percent sign, needs
 * Linux 5.13.
 */
export const print: (text: string) => void = word('print')

type LogTag = (text: TemplateStringsArray, ...values: readonly unknown[]) => void

/**
 * A line for a logger in Node.js: ``log.info`${comm} has pid ${pid}` ``. The program records the values, and `logTo` of
 * `libbpf-node/log` makes the text. Values are numbers and text. Lines below the level that `logTo` sets (initially
 * info) are not recorded. The level is in `libbpf_node_log_level` of `object.data`. (Linux 5.8)
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
 * @param length - how many bytes it has, if it does not end with a zero byte; what does not fit is cut off
 */
export const str: (address: number | TextPointer | UserPointer, length?: number) => char<never> = word('str')

/**
 * Functions of the kernel that programs may call by their names: `kfunc.bpf_task_from_pid(pid)`. Their prototypes are
 * those of the kernel. What some of them return has to be checked for null, and released. (Linux 5.13)
 */
export const kfunc: Kfuncs &
  (Declared extends { all: true } ? unknown : { readonly [name: string]: (...args: unknown[]) => Kernel }) =
  new Proxy({}, { get: (_, name) => () => onlyInTheKernel(`kfunc.${String(name)}`) })

/**
 * The kernel's iterators over its objects, for loops: `for (const task of each.task()) { ... }` goes over all
 * processes. Their arguments are those of the kernel's `bpf_iter_<name>_new`; numbers and pointers that may be null can
 * be left out at the end. The loop can be left in any way. If RCU protects the elements, a program that may sleep holds
 * RCU during the loop, so nothing in the loop may sleep. (Linux 6.7)
 */
export const each: KernelIterators &
  (Declared extends { all: true }
    ? unknown
    : { readonly [name: string]: (...args: unknown[]) => Iterable<Kernel> }) = new Proxy(
  {},
  { get: (_, name) => () => onlyInTheKernel(`each.${String(name)}`) },
)
