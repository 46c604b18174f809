import { endianness } from 'node:os'

/** Whether this machine is little-endian. The kernel and BPF maps use the machine's byte order. */
export const littleEndian = endianness() === 'LE'
