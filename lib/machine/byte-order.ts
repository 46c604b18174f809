import { endianness } from 'node:os'

/** Whether this machine is little-endian. The kernel's own values, and those of BPF maps, are in the machine's byte order. */
export const littleEndian = endianness() === 'LE'
