import type { Ref } from './maps.js'
import type { Memory, s32, u32 } from './types.js'

/**
 * Memory whose size the kernel checks when the program runs: a ring buffer record of any length
 * (`ring.reserveDynptr(size)`), a part of a map's value (`bpf.dynptrFromMem(value)`), or a packet (`packet.dynptr()`).
 * Offsets and lengths are bytes, and need not be constants. (Linux 5.19)
 */
export interface Dynptr {
  /**
   * A copy of what is at an offset (`bpf_dynptr_read`). It is null if the memory ends before the value does, so check
   * it first.
   */
  read<T>(offset: number): Ref<T> | null
  /**
   * Copies into memory of your own (`bpf_dynptr_read`). Returns whether that many bytes were there.
   *
   * @param length - how many, at most as many as `into` has; all of them by default
   */
  read(offset: number, into: Memory, length?: number): boolean
  /**
   * Writes (`bpf_dynptr_write`). Pointers into a packet have to be read again. Returns whether there was room.
   *
   * @param value - something in memory; with a type, also a number or a literal: `write<u32>(0, 7)`
   * @param length - how many bytes of it, at most as many as it has; all of them by default
   */
  write(offset: number, value: Memory, length?: number): boolean
  write<T>(offset: number, value: T, length?: number): boolean
  /**
   * What is at an offset, to be read and written in place (`bpf_dynptr_data`); not for packets. It is null if the
   * memory ends before the value does.
   */
  data<T>(offset: number): Ref<T> | null
  /**
   * What is at an offset, to be read (`bpf_dynptr_slice`). In a packet it is a copy if the value spans two pieces of
   * memory. It is null if the memory ends before the value does. (Linux 6.4)
   */
  slice<T>(offset: number): Readonly<Ref<T>> | null
  /**
   * What is at an offset, to be read and written (`bpf_dynptr_slice_rdwr`). In a packet it may be a copy, so `write` it
   * back if the packet has to change in any case. (Linux 6.4)
   */
  sliceRdwr<T>(offset: number): Ref<T> | null
  /** How many bytes there are (`bpf_dynptr_size`). (Linux 6.5) */
  size(): u32
  /**
   * Moves its start and end to offsets from its current start. Returns 0 or a negative error (`bpf_dynptr_adjust`).
   * (Linux 6.5)
   */
  adjust(start: number, end: number): s32
  /** Another dynptr for the same memory, which becomes invalid when this one does (`bpf_dynptr_clone`). (Linux 6.5) */
  clone(): Dynptr
  /** Whether there is no memory (`bpf_dynptr_is_null`). (Linux 6.5) */
  isNull(): boolean
  /** Whether it cannot be written, such as a packet of a socket filter (`bpf_dynptr_is_rdonly`). (Linux 6.5) */
  isRdonly(): boolean
}
