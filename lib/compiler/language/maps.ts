import type { Socket } from './contexts.js'
import type { Dynptr } from './dynptrs.js'
import type { Elements, Kernel, Memory, s32, s64, UserPointer, u32 } from './types.js'
import { word } from './word.js'

/** A value in a map: a number is read and written as `.value`. */
export type Ref<V> = V extends number | UserPointer ? { value: V } : V

/** A map of any kind, for helpers that take one. */
export interface AnyMap {
  readonly __map: never
}

/** The options of a map. All are constants. */
export interface MapOptions {
  /** The map is pinned under its name when it is loaded. If a map is already pinned there, that one is used. */
  pin?: boolean
  /** `BPF_F_*` of linux/bpf.h that have no option of their own. */
  flags?: number
  /** Memory for elements is allocated when it is needed (`BPF_F_NO_PREALLOC`). */
  noPrealloc?: boolean
  /** Each CPU has its own list of least recently used elements (`BPF_F_NO_COMMON_LRU`). */
  noCommonLru?: boolean
  /** User space can only read it (`BPF_F_RDONLY`). */
  readOnlyForUser?: boolean
  /** User space can only write it (`BPF_F_WRONLY`). */
  writeOnlyForUser?: boolean
  /** Programs can only read it (`BPF_F_RDONLY_PROG`). */
  readOnlyForPrograms?: boolean
  /** Programs can only write it (`BPF_F_WRONLY_PROG`). */
  writeOnlyForPrograms?: boolean
  /** User space can map it into its memory (`BPF_F_MMAPABLE`). (Linux 5.5) */
  mmapable?: boolean
  numaNode?: number
}

export interface HashMap<K, V> extends AnyMap {
  /**
   * The value in the map, to be read and written in place. It is null for a key that does not exist, so check it first.
   */
  get(key: K): Ref<V> | null
  /** Stores a value. Returns whether there was room for it. */
  set(key: K, value: V): boolean
  /** Stores a value for a key that does not exist yet. Returns whether it did. */
  setNew(key: K, value: V): boolean
  /** Stores a value for a key that exists. Returns whether it did. */
  setExisting(key: K, value: V): boolean
  /**
   * Adds to a number, which starts at 0. Nothing is lost if other CPUs add at the same time. Returns whether there was
   * room.
   */
  add(key: K, amount: V): boolean
  /** Returns whether the key existed. */
  delete(key: K): boolean
  /** Calls a function for each element, until it returns 1. Returns how many it visited. (Linux 5.13) */
  forEach(each: (key: Ref<K>, value: Ref<V>) => number | undefined): s64
}

/** The elements of an array exist from the start, and cannot be deleted. */
export type ArrayMap<V> = Omit<HashMap<u32, V>, 'setNew' | 'delete'>
/** An array with a value for each CPU. */
export type PerCpuArrayMap<V> = Omit<PerCpuMap<u32, V>, 'setNew' | 'delete'>

export interface PerCpuMap<K, V> extends HashMap<K, V> {
  /**
   * Adds to this CPU's number, which starts at 0. As in C, if a program interrupts this one on the same CPU and adds to
   * the same number, its addition may be lost. Returns whether there was room.
   */
  add(key: K, amount: V): boolean
  /** The value of another CPU, or null. (Linux 5.19) */
  getOn(cpu: u32, key: K): Ref<V> | null
}

export interface RingBufferMap<T> extends AnyMap {
  /**
   * Room for a record, to be filled and submitted. It is null if the buffer is full, so check it first. If the records
   * are of several types, say which: `reserve<Started>()`.
   */
  reserve<R extends T = T>(): R | null
  /**
   * Room for a record of `size` bytes, which need not be a constant. It is null if the buffer is full, so check it
   * first. Like any other record, it has to be submitted or discarded. (Linux 5.19)
   */
  reserveDynptr(size: number): Dynptr | null
  submit(record: T | Dynptr): void
  discard(record: T | Dynptr): void
  /** Reserves, fills and submits a record. Returns whether there was room for it. */
  emit<R extends T = T>(record: R): boolean
}

export interface PerfEventsMap<T> extends AnyMap {
  /** Copies a record into the buffer of this CPU. Returns whether there was room for it. */
  emit<R extends T = T>(record: R): boolean
}

export interface UserRingBufferMap<T> extends AnyMap {
  /**
   * Calls a function for each record that user space has submitted, until it returns 1. A record shorter than its type
   * is null. Returns how many records there were, or a negative error.
   */
  drain(each: (record: T | null) => number | undefined): s64
}

export interface QueueMap<V> extends AnyMap {
  /** Returns whether there was room for the value. */
  push(value: V): boolean
  /** Takes the next value out of the map. It is null if there is none, so check it first. */
  pop(): Ref<V> | null
  /** The next value, which stays in the map. */
  peek(): Ref<V> | null
}

export interface BloomFilterMap<V> extends AnyMap {
  add(value: V): boolean
  /** Whether a value was added. The result is sometimes true for a value that was not. */
  has(value: V): boolean
}

export interface MapOfMaps<K, M> extends AnyMap {
  /** The map at this key. It is null if there is none, so check it first. */
  get(key: K): M | null
}

export interface StorageMap<V> extends AnyMap {
  /** The value of an owner. It is null if the owner has none, so check it first. */
  get(owner: Kernel | object): Ref<V> | null
  /** The value of an owner, created with zeros if it has none. It is null if there is no memory for it. */
  getOrCreate(owner: Kernel | object): Ref<V> | null
  /** Returns whether there was a value. */
  delete(owner: Kernel | object): boolean
}

export interface ProgramArray extends AnyMap {
  /** Continues in the program at this index. It returns only if there is none, or after 33 calls in a row. */
  call(index: u32): void
}

export interface StackTraceMap extends AnyMap {
  /** The ID of the kernel stack, or a negative error. @param flags - `BPF_F_*`, and how many frames to skip */
  id(flags?: number): s32
  /** The ID of the process's stack, or a negative error. */
  userId(flags?: number): s32
}

export interface RedirectMap extends AnyMap {
  /**
   * Sends the frame to the entry at this index. Return the result of this call from the program.
   *
   * @param otherwise - what it returns if nothing is there, such as `XDP.PASS` (Linux 5.3); `XDP.ABORTED` by default
   */
  redirect(index: u32, otherwise?: number): number
}

export interface SocketMap<K> extends AnyMap {
  /** A socket, which has to be released: `bpf.skRelease(sk)`. It is null if there is none. */
  get(key: K): Socket | null
  /** Adds the socket of a sockOps program. Returns 0 or a negative error. */
  add(key: K): s32
  /**
   * Sends data on to a socket. Return the result of this call from the program.
   *
   * @param ingress - as if that socket had received the data
   */
  redirect(key: K, ingress?: boolean): number
}

export interface ReuseportArray extends AnyMap {
  /** Chooses a socket of the group. Returns 0 or a negative error. */
  select(index: u32): s32
}

export interface CgroupArray extends AnyMap {
  /** Whether the thread, or the packet, is in a cgroup below the one at this index: 1, 0 or a negative error. */
  contains(index: u32): s32
}

/** A timer in the value of a map. (Linux 5.15) */
export interface timer {
  /** Calls a function after a number of nanoseconds. Returns whether the timer was started. */
  start(nanoseconds: number, then: (key: never, value: never) => number | undefined): boolean
  /** Returns 1 if it was running, 0 if not, or a negative error. */
  cancel(): s32
}

/** A lock in the value of a map. A program that holds it cannot call the kernel. (Linux 5.1) */
export interface spinLock {
  acquire(): void
  release(): void
}

/**
 * In the value of a map, a reference to one of the kernel's structs, such as `kptr<kernel.task_struct>`, or to an
 * object that a program has allocated (Linux 6.6). The map keeps it until a program takes it out; user space sees 0.
 * (Linux 6.2)
 */
export interface kptr<T> {
  /**
   * Stores a reference that the program holds, which then belongs to the map, or null. Returns what was there before,
   * or null; the program has to release that, or store it elsewhere (`bpf_kptr_xchg`).
   */
  xchg(reference: T | null): T | null
  /**
   * The reference, which stays in the map, or null. A program that does not sleep can pass it to
   * `kfunc.bpf_task_acquire` and the like.
   */
  get(): T | null
}

/** A pointer to something in the arena, or null. User space can follow it as well. (Linux 6.9) */
export type ptr<T> = T | null

/** What an arena has besides the members of its interface. */
export interface ArenaFunctions extends AnyMap {
  /**
   * Whole pages of zeros, as many as the type needs, or null if the arena has none left. They stay allocated until they
   * are freed or the arena is. Programs that do not sleep can allocate pages since Linux 7.0.
   */
  alloc<V>(): V | null
  /** Frees pages that `alloc` returned. */
  free(taken: object): void
}

/** The member that links an object into a list: `interface Job { link: listNode; id: u32 }`. (Linux 6.6) */
export interface listNode {
  readonly __node?: 'list'
}

/** The member that links an object into a tree. (Linux 6.6) */
export interface treeNode {
  readonly __node?: 'tree'
}

/**
 * A list of objects in the value of a map, next to a `spinLock` that a program holds while it uses the list. The
 * objects in it belong to the map. (Linux 6.6)
 *
 * @typeParam M - the member of the type `listNode`, if the objects have several
 */
export interface list<T, M extends keyof T = keyof T> {
  readonly __by?: M
  /** Adds an object that the program holds to the front of the list (`bpf_list_push_front`). */
  pushFront(object: T): void
  /** Adds an object that the program holds to the end of the list (`bpf_list_push_back`). */
  pushBack(object: T): void
  /** Removes the first object, which the program then holds, or returns null (`bpf_list_pop_front`). */
  popFront(): T | null
  /** Removes the last object, which the program then holds, or returns null (`bpf_list_pop_back`). */
  popBack(): T | null
}

/**
 * A tree of objects in order, in the value of a map, next to a `spinLock` that a program holds while it uses the tree.
 * (Linux 6.6)
 *
 * @typeParam M - the member of the type `treeNode`, if the objects have several
 */
export interface tree<T, M extends keyof T = keyof T> {
  readonly __by?: M
  /**
   * Adds an object that the program holds (`bpf_rbtree_add`).
   *
   * @param isLess - whether `a` comes before `b`; it can read both, but cannot call anything
   */
  add(object: T, isLess: (a: T, b: T) => boolean): void
  /** The first object, or null. It can only be used while the lock is held (`bpf_rbtree_first`). */
  first(): T | null
  /** Removes an object that `first` has returned, which the program then holds (`bpf_rbtree_remove`). */
  remove(object: T): T | null
}

type Maker<M> = (maxEntries: number, options?: MapOptions) => M
type HashMaker = <K, V>(maxEntries: number, options?: MapOptions) => HashMap<K, V>
type PerCpuMaker = <K, V>(maxEntries: number, options?: MapOptions) => PerCpuMap<K, V>

/**
 * A hash map. Without types, it takes those of the first key and value that a program puts into it; `unknown` leaves
 * one of the two open: `hash<unknown, u64>(1024)`.
 *
 * @param maxEntries - a constant
 */
export const hash: HashMaker = word('hash')
/** A hash map that makes room by dropping the elements that were least recently used. (Linux 4.10) */
export const lruHash: HashMaker = word('lruHash')
/** A hash map with a value for each CPU. (Linux 4.6) */
export const percpuHash: PerCpuMaker = word('percpuHash')
/** A hash map with a value for each CPU, which makes room like `lruHash`. (Linux 4.10) */
export const lruPercpuHash: PerCpuMaker = word('lruPercpuHash')
/** `N` values of one type: C's `T[N]`. The same word makes a map. */
export type array<T, N extends number> = Elements<T, N>
/** An array map. */
export const array: <V>(maxEntries: number, options?: MapOptions) => ArrayMap<V> = word('array')
/** An array map with a value for each CPU. (Linux 4.6) */
export const percpuArray: <V>(maxEntries: number, options?: MapOptions) => PerCpuArrayMap<V> =
  word('percpuArray')
/**
 * Networks by their prefixes: `get` finds the longest prefix that matches. The key is an interface that begins with the
 * length of the prefix in bits: `interface Key { prefixlen: u32; address: bytes<4> }`. (Linux 4.11)
 */
export const lpmTrie: HashMaker = word('lpmTrie')
/**
 * A ring buffer of records, of one type or of several: `ringbuf<Started | Ended>(4096)`. Without a type, its records
 * have the type of the first one that a program emits. With `countLost`, user space can read how many records found no
 * room: `.lost`. (Linux 5.8)
 *
 * @param size - bytes; a power of two, and a multiple of the page size
 */
export const ringbuf: <T>(size: number, options?: MapOptions & { countLost?: boolean }) => RingBufferMap<T> =
  word('ringbuf')
/** A buffer of records for each CPU, for kernels without ring buffers. (Linux 4.4) */
export const perfEvents: <T>(options?: MapOptions) => PerfEventsMap<T> = word('perfEvents')
/** A ring buffer that user space writes. @param size - bytes, as for `ringbuf` (Linux 6.1) */
export const userRingbuf: <T>(size: number, options?: MapOptions) => UserRingBufferMap<T> =
  word('userRingbuf')
/** Values that are taken in the order in which they were pushed. (Linux 4.20) */
export const queue: <V>(maxEntries: number, options?: MapOptions) => QueueMap<V> = word('queue')
/** Values that are taken in the reverse of the order in which they were pushed. (Linux 4.20) */
export const stack: <V>(maxEntries: number, options?: MapOptions) => QueueMap<V> = word('stack')
/**
 * A set that may report a value as added although it was not.
 *
 * @param options - `hashes`: 1 to 15, 5 by default (Linux 5.16)
 */
export const bloomFilter: <V>(
  maxEntries: number,
  options?: MapOptions & { hashes?: number },
) => BloomFilterMap<V> = word('bloomFilter')
/**
 * Maps by key: `hashOfMaps<u32>(64, hash<u32, u64>(1024))`. tsc and editors assume that the inner maps hold numbers;
 * give their type if they hold something else: `hashOfMaps<u32, HashMap<u32, Event>>(64, hash<u32, Event>(1024))`.
 * (Linux 4.12)
 */
export const hashOfMaps: <K, M extends AnyMap = HashMap<number | Memory, number>>(
  maxEntries: number,
  like: M,
  options?: MapOptions,
) => MapOfMaps<K, M> = word('hashOfMaps')
/** Maps by index: `arrayOfMaps(64, hash<u32, u64>(1024))`. (Linux 4.12) */
export const arrayOfMaps: <M extends AnyMap>(
  maxEntries: number,
  like: M,
  options?: MapOptions,
) => MapOfMaps<u32, M> = word('arrayOfMaps')
/** A value for each thread, which is freed with the thread. (Linux 5.11) */
export const taskStorage: <V>(options?: MapOptions) => StorageMap<V> = word('taskStorage')
/** A value for each socket, which is freed with the socket. (Linux 5.2) */
export const socketStorage: <V>(options?: MapOptions) => StorageMap<V> = word('socketStorage')
/** A value for each inode, which is freed with the inode; for LSM programs. (Linux 5.10) */
export const inodeStorage: <V>(options?: MapOptions) => StorageMap<V> = word('inodeStorage')
/** A value for each cgroup, which is freed with the cgroup. (Linux 6.2) */
export const cgroupStorage: <V>(options?: MapOptions) => StorageMap<V> = word('cgroupStorage')
/** Programs to continue in (tail calls): either how many, or which programs of the file. (Linux 4.2) */
export const programArray: (programs: number | readonly unknown[], options?: MapOptions) => ProgramArray =
  word('programArray')
/** Stacks by their IDs, as up to 127 addresses. (Linux 4.6) */
export const stackTraces: Maker<StackTraceMap> = word('stackTraces')
/** Interfaces that frames are sent to. (Linux 4.14) */
export const devmap: Maker<RedirectMap> = word('devmap')
/** Interfaces that frames are sent to, with any numbers as keys. (Linux 5.4) */
export const devmapHash: Maker<RedirectMap> = word('devmapHash')
/** CPUs that frames are passed on to. (Linux 4.15) */
export const cpumap: Maker<RedirectMap> = word('cpumap')
/** AF_XDP sockets that frames are sent to. (Linux 4.18) */
export const xskmap: Maker<RedirectMap> = word('xskmap')
/** Sockets that data is sent on to. (Linux 4.14) */
export const sockmap: Maker<SocketMap<u32>> = word('sockmap')
/** Sockets that data is sent on to, by keys of any type. (Linux 4.18) */
export const sockhash: <K>(maxEntries: number, options?: MapOptions) => SocketMap<K> = word('sockhash')
/** Sockets of a reuseport group. (Linux 4.19) */
export const reuseportArray: Maker<ReuseportArray> = word('reuseportArray')
/** Cgroups to compare with. (Linux 4.8) */
export const cgroupArray: Maker<CgroupArray> = word('cgroupArray')
/**
 * Memory that programs and user space share: `arena<Shared>(16)` has the members of the interface, and 16 pages of 4096
 * bytes. An object has one arena at most. (Linux 6.9; on arm64, 6.10)
 *
 * @param pages - a constant; by default as many as the interface needs
 */
export const arena: <T extends object>(pages?: number, options?: MapOptions) => T & ArenaFunctions =
  word('arena')
