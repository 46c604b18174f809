// What native code throws, and what it hands out.

/**
 * What native code throws when libbpf or the kernel refuses a call. `lib/errors/explain.ts` turns it into a BpfError.
 */
export interface NativeError extends Error {
  /** Positive errno: the kernel's (1 to 524) or libbpf's own (4000 and up). */
  errno: number
  /** The libbpf function that failed, e.g. `bpf_object__load`. */
  operation: string
  /**
   * The warnings that libbpf printed during the call. Long messages, such as verifier logs, are cut to the first line
   * and the last 64 KiB.
   */
  log: string
  /** The same warnings in full. Only set if `log` leaves something out. */
  longLog?: LongLogHandle
}

declare const kind: unique symbol

interface Handle<Kind extends string> {
  readonly [kind]: Kind
}

export type ObjectHandle = Handle<'object'>
export type ProgramHandle = Handle<'program'>
export type MapHandle = Handle<'map'>
export type LinkHandle = Handle<'link'>

/** A ring buffer, or one CPU's perf buffer. */
export type SourceHandle = Handle<'event source'>
export type PerfRecorderHandle = Handle<'perf recorder'>
export type UserRingBufferHandle = Handle<'user ring buffer'>
export type BtfHandle = Handle<'btf'>
export type LinkerHandle = Handle<'linker'>

/** The memory of AF_XDP sockets. */
export type UmemHandle = Handle<'umem'>

/** An AF_XDP socket. */
export type XskHandle = Handle<'xdp socket'>
export type LongLogHandle = Handle<'long log'>

/** The mapped memory of a map. */
export type MemoryHandle = Handle<'mapped memory'>
