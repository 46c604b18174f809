/** The packet that a program sees. */
export interface Packet {
  /** A struct in the packet, to be read and written in place. It is null if the packet ends before the struct does, so compare it first. */
  read<T>(offset: number): T | null
}
