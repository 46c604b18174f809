import type { ReuseportPacket, SkBuff, SocketMessage, XdpFrame } from './contexts.js'
import type { Dynptr } from './dynptrs.js'
import type { Ref } from './maps.js'
import type { Memory, u32 } from './types.js'

/** A packet, or other data, that can be read in place. */
export interface Readable {
  /**
   * A struct in the packet, to be read and written in place. It is null if the packet ends before the struct does, so
   * check it first.
   */
  read<T>(offset: number): Ref<T> | null
  /**
   * A position that advances as structs are read, so that you need not compute offsets.
   *
   * @param offset - where it begins; 0 by default
   */
  cursor(offset?: number): Cursor
}

export interface Cursor {
  /**
   * The struct at the cursor, which then moves past the struct. It is null if the packet ends before the struct does.
   */
  next<T>(): Ref<T> | null
  /** The struct at the cursor, which does not move. */
  peek<T>(): Ref<T> | null
  /** Advances by a number of bytes. */
  skip(bytes: number): void
}

/** A packet that is copied from and to, also where it is in memory that cannot be read in place. */
export interface Copyable {
  /** A copy of a struct in the packet. It is null if the packet ends before the struct does. (XDP: Linux 5.18) */
  load<T>(offset: number): Ref<T> | null
  /** Writes into the packet. Returns 0 or a negative error. Pointers into the packet have to be read again. */
  store(offset: number, value: Memory): number
}

/** A packet that the kernel can give a dynptr for. */
export interface WithDynptr {
  /** A dynptr for the packet, however many pieces of memory the packet spans. (Linux 6.4) */
  dynptr(): Dynptr
}

/** The packet of a netfilter program. */
export interface Filtered extends WithDynptr {
  /**
   * A copy of a struct in the packet. The packet begins with its IP header. The copy is null if the packet ends before
   * the struct does.
   */
  load<T>(offset: number): Ref<T> | null
}

/** The packet that a program sees, with the members of its context. */
export interface Packet extends Readable, Copyable, WithDynptr, SkBuff {
  /** How many bytes can be read in place. */
  readonly length: u32
}

/** The frame that an XDP program sees. */
export interface Frame extends Readable, Copyable, WithDynptr, XdpFrame {
  /** How many bytes can be read in place. */
  readonly length: u32
}

/** The message that an sk_msg program sees. */
export interface Message extends Readable, SocketMessage {}

/** The packet that chooses a socket of a reuseport group. */
export interface Incoming extends Readable, Copyable, ReuseportPacket {}
