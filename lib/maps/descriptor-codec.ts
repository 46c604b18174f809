import { littleEndian } from '../machine/byte-order.js'
import type { ElementCodec } from './element-codec.js'

/**
 * The values of maps that hold maps or programs. The kernel takes a descriptor, and returns an id.
 *
 * @param fdOf - returns the descriptor of a map or program
 * @param read - returns what an id stands for
 * @internal
 */
export function descriptorCodec(
  fdOf: (value: unknown) => number,
  read: (id: number) => unknown,
): ElementCodec {
  return {
    decode: (view, offset = 0) => read(view.getUint32(offset, littleEndian)),
    encode: (value, view, offset = 0) => {
      const fd = typeof value === 'number' ? value : fdOf(value)
      if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff)
        throw new RangeError(`value ${fd} is not a descriptor`)
      view.setUint32(offset, fd, littleEndian)
    },
  }
}

/** The descriptor in an encoded value. @internal */
export function descriptorIn(view: DataView): number {
  return view.getInt32(0, littleEndian)
}

/** The values of a map of sockets, which can also be objects that have a descriptor, such as an XdpSocket. @internal */
export function socketCodec(one: ElementCodec): ElementCodec {
  return {
    decode: (view, offset) => one.decode(view, offset),
    encode: (value, view, offset = 0) => {
      const fd = typeof value === 'object' && value !== null && 'fd' in value ? value.fd : undefined
      if (typeof fd === 'number') view.setInt32(offset, fd, littleEndian)
      else one.encode(value, view, offset)
    },
  }
}
