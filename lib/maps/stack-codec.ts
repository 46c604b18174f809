import { littleEndian } from '../machine/byte-order.js'
import type { ElementCodec } from './element-codec.js'

/** Flag for stack traces: the values are build ids and offsets, not addresses. */
export const BPF_F_STACK_BUILD_ID = 1 << 5

/** The keys of stack traces: numbers that `bpf_get_stackid` returns. @internal */
export const stackIdCodec: ElementCodec = {
  decode: (view, offset = 0) => view.getUint32(offset, littleEndian),
  encode: (value, view, offset = 0) => {
    if (typeof value !== 'number') throw new TypeError('key is not a stack id')
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
      throw new RangeError(`key ${value} is not a stack id, which is an unsigned 32-bit number`)
    view.setUint32(offset, value, littleEndian)
  },
}

/** The addresses of a stack, the innermost first, without unused slots. @internal */
export function stackCodec(size: number): ElementCodec {
  return {
    decode: (view, offset = 0) => {
      const addresses: bigint[] = []
      for (let at = 0; at < size; at += 8) {
        const address = view.getBigUint64(offset + at, littleEndian)
        if (address === 0n) break
        addresses.push(address)
      }
      return addresses
    },
    encode: () => {
      throw new TypeError('only programs can write stack traces')
    },
  }
}
