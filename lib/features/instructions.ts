import { littleEndian } from '../machine/byte-order.js'

/** Encodes BPF instructions, each given as code, destination, source, offset and immediate. */
export function instructions(...list: readonly [number, number, number, number, number][]): Uint8Array {
  const bytes = new Uint8Array(list.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [i, [code, dst, src, offset, immediate]] of list.entries()) {
    bytes[i * 8] = code
    bytes[i * 8 + 1] = littleEndian ? (src << 4) | dst : (dst << 4) | src
    view.setInt16(i * 8 + 2, offset, littleEndian)
    view.setInt32(i * 8 + 4, immediate, littleEndian)
  }
  return bytes
}

/** r0 = value */
export const result = (value: number): [number, number, number, number, number] => [0xb7, 0, 0, 0, value]
export const exit: [number, number, number, number, number] = [0x95, 0, 0, 0, 0]
