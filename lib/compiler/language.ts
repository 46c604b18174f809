// The words of programs for the kernel, as TypeScript sees them: for editors and tsc. The compiler reads the text of a program and never runs it.

/** An unsigned integer of 8 bits. */
export type u8 = number
/** An unsigned integer of 16 bits. */
export type u16 = number
/** An unsigned integer of 32 bits. */
export type u32 = number
/** An unsigned integer of 64 bits. In the kernel it has all of them; user space gets a bigint. */
export type u64 = number
/** A signed integer of 8 bits. */
export type s8 = number
/** A signed integer of 16 bits. */
export type s16 = number
/** A signed integer of 32 bits. */
export type s32 = number
/** A signed integer of 64 bits. */
export type s64 = number
/** An integer of 16 bits in the network's byte order. Programs read and write its value. */
export type be16 = number
/** An integer of 32 bits in the network's byte order. */
export type be32 = number
/** An integer of 64 bits in the network's byte order. */
export type be64 = number

/** Text of at most `N` bytes with the zero byte at its end: C's `char[N]`. */
export type char<N extends number> = string | { readonly __length: N }
/** `N` bytes. */
export type bytes<N extends number> = { readonly [index: number]: u8; readonly __length: N }
/** `N` values of one type: C's `T[N]`. */
export type array<T, N extends number> = { [index: number]: T; readonly __length: N }

/** Something of the kernel's: a number, text, or a struct whose members can be read. */
export type Kernel = number & { readonly __length: never } & { readonly [member: string]: Kernel }

/** A value in a map: a number is read and written as `.value`. */
export type Ref<V> = V extends number ? { value: V } : V

export interface HashMap<K, V> {
  /** The value in the map, to be read and written in place. It is null for a key that does not exist, so compare it first. */
  get(key: K): Ref<V> | null
  set(key: K, value: V): void
  /** Adds to a number, which begins at 0. No count is lost when other CPUs do the same. */
  add(key: K, amount: V): void
  delete(key: K): void
}

export interface RingBufferMap<T> {
  /** Room for a record, to be filled and submitted. It is null if the buffer is full, so compare it first. */
  reserve(): T | null
  submit(record: T): void
  discard(record: T): void
  /** Reserves, fills and submits a record. It is dropped if the buffer is full. */
  emit(record: T): void
}

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
  /** Text in the memory of the running process, to be assigned to a `char<N>`. (Linux 5.5) */
  probeReadUserStr(address: number): char<number>
  /** The running thread's struct task_struct. */
  getCurrentTask(): Kernel
  /** Sends a signal to the running process. Returns 0 or a negative error. */
  sendSignal(signal: u32): s64
}

export interface Program {
  readonly __program: never
}

function onlyInTheKernel(name: string): never {
  throw new Error(
    `${name} is for programs that run in the kernel: compile this file with libbpf-node gen, or with compile()`,
  )
}

const word = <T>(name: string): T => (() => onlyInTheKernel(name)) as T

type Maker = <K, V>(maxEntries: number) => HashMap<K, V>
type ArrayMaker = <V>(maxEntries: number) => HashMap<u32, V>
type Variable = <T>(value?: T extends number ? number : never) => T

/** A hash map. @param maxEntries - a constant */
export const hash: Maker = word('hash')
/** A hash map that makes room by dropping what was not used for long. */
export const lruHash: Maker = word('lruHash')
/** A hash map with a value for each CPU. */
export const percpuHash: Maker = word('percpuHash')
/** An array. */
export const array: ArrayMaker = word('array')
/** An array with values for each CPU. */
export const percpuArray: ArrayMaker = word('percpuArray')
/** A ring buffer of records. @param size - bytes; a power of two, and a multiple of the page size (Linux 5.8) */
export const ringbuf: <T>(size: number) => RingBufferMap<T> = word('ringbuf')

/** A variable that user space sets before the program is loaded, and that programs only read. */
export const rodata: Variable = word('rodata')
/** A variable that programs and user space change. */
export const data: Variable = word('data')
/** The same, which begins as zeros. */
export const bss: <T>() => T = word('bss')

type Hook = (target: string, program: (...args: Kernel[]) => number) => Program
type PacketHook = (program: (packet: Packet) => number) => Program

/** The packet that a program sees. */
export interface Packet {
  /** A struct in the packet, to be read and written in place. It is null if the packet ends before the struct does, so compare it first. */
  read<T>(offset: number): T | null
}

/** Runs at a tracepoint, with its arguments as the kernel passes them. (Linux 4.17) */
export const rawTp: Hook = word('rawTp')
/** The same, and the verifier knows the types of the arguments. (Linux 5.5) */
export const tpBtf: Hook = word('tpBtf')
/** Runs when a function of the kernel is called. (Linux 5.5, arm64 6.4) */
export const fentry: Hook = word('fentry')
/** Runs when a function of the kernel returns. Its result follows the arguments. (Linux 5.5, arm64 6.4) */
export const fexit: Hook = word('fexit')
/** Runs at a tracepoint, with the struct that it records: `tracepoint('sched/sched_switch', (ctx) => ...)`. (Linux 4.7) */
export const tracepoint: Hook = word('tracepoint')
/** Runs when a function of the kernel is called, with its arguments from the registers. (Linux 4.1) */
export const kprobe: Hook = word('kprobe')
/** Runs when a function of the kernel returns, with its result. (Linux 4.1) */
export const kretprobe: Hook = word('kretprobe')
/** Runs at a security hook, and may refuse what is about to happen with a negative errno. (Linux 5.7, booted with lsm=...,bpf) */
export const lsm: Hook = word('lsm')
/** Runs on each frame that comes to an interface, and returns what becomes of it: `XDP.PASS`. (Linux 4.8) */
export const xdp: PacketHook = word('xdp')
/** Runs on packets that come to an interface, and returns what becomes of them: `TC.PASS`. (Linux 6.6) */
export const tcIngress: PacketHook = word('tcIngress')
/** Runs on packets that leave through an interface. (Linux 6.6) */
export const tcEgress: PacketHook = word('tcEgress')

/** What an XDP program returns. */
export const XDP = { ABORTED: 0, DROP: 1, PASS: 2, TX: 3, REDIRECT: 4 } as const
/** What a TC program returns. */
export const TC = { NEXT: -1, PASS: 0, DROP: 2, REDIRECT: 7 } as const

/** Runs when user space says so, by `testRun`. (Linux 5.14) */
export const syscall: (program: () => number) => Program = word('syscall')

/** The helpers. */
export const bpf: Helpers = new Proxy({} as Helpers, {
  get: (_, name) => () => onlyInTheKernel(`bpf.${String(name)}`),
})

/** The numbers from 0 to `rounds - 1`, for `for (const i of range(10))`. @param rounds - a constant */
export const range: (rounds: number) => Iterable<u32> = word('range')

type Cast = (value: number) => number
/** Cuts a number off to 8 bits. */
export const u8: Cast = word('u8')
/** Cuts a number off to 16 bits. */
export const u16: Cast = word('u16')
/** Cuts a number off to 32 bits. */
export const u32: Cast = word('u32')
export const u64: Cast = word('u64')
export const s8: Cast = word('s8')
export const s16: Cast = word('s16')
export const s32: Cast = word('s32')
export const s64: Cast = word('s64')
