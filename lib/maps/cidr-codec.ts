import { ipAddress } from '../format/address.js'
import { littleEndian } from '../machine/byte-order.js'
import type { ElementCodec } from './element-codec.js'

/** The size of the `__u32 prefixlen` at the beginning of a key, in bytes. */
const headSize = 4

/** Loaded when it is first used, because it loads all of Node's streams. */
let net: typeof import('node:net') | undefined

/**
 * Keys of an LPM trie as text: `10.1.0.0/16`, `2001:db8::/32`. An address without a length is a host. Decoded keys
 * always have a length, and IPv6 addresses are in their short form.
 *
 * @param keySize - 8 for IPv4, 20 for IPv6
 * @internal
 */
export function cidrCodec(keySize: number): ElementCodec<string> {
  const size = keySize - headSize
  return {
    decode: (view, offset = 0) => {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset + headSize, size)
      return `${ipAddress(bytes)}/${view.getUint32(offset, littleEndian)}`
    },
    encode: (value, view, offset = 0) => {
      const { address, length } = parseCidr(value, size)
      view.setUint32(offset, length, littleEndian)
      new Uint8Array(view.buffer, view.byteOffset + offset + headSize, size).set(address)
    },
  }
}

/** Whether keys of this size can be networks. @internal */
export function isCidrSize(keySize: number): boolean {
  return keySize === headSize + 4 || keySize === headSize + 16
}

function parseCidr(text: unknown, size: number): { address: Uint8Array; length: number } {
  if (typeof text !== 'string') throw new TypeError(`key is not a string such as '10.1.0.0/16'`)
  const [host = '', suffix, ...rest] = text.split('/')
  net ??= process.getBuiltinModule('node:net')
  const version = net.isIPv4(host) ? 4 : net.isIPv6(host) && !host.includes('%') ? 6 : 0
  if (version === 0 || rest.length > 0) {
    throw new RangeError(`key '${text}' is neither an address nor a network such as '10.1.0.0/16'`)
  }
  const wanted = size === 4 ? 4 : 6
  if (version !== wanted)
    throw new RangeError(`key '${text}' is IPv${version}, but the map's keys are IPv${wanted}`)
  const bits = size * 8
  const length = suffix === undefined ? bits : /^\d{1,3}$/.test(suffix) ? Number(suffix) : -1
  if (length < 0 || length > bits)
    throw new RangeError(`key '${text}': the prefix length is not between 0 and ${bits}`)
  const address = version === 4 ? ipv4Bytes(host) : ipv6Bytes(host)
  const network = masked(address, length)
  if (network.some((byte, i) => byte !== address[i])) {
    throw new RangeError(
      `key '${text}' has bits set after its prefix length: the network is ${ipAddress(network)}/${length}`,
    )
  }
  return { address, length }
}

function masked(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - i * 8))))
}

function ipv4Bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number)
}

/** The address must be well-formed. */
function ipv6Bytes(text: string): Uint8Array {
  const bytesOf = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (group.includes('.')) return [...ipv4Bytes(group)]
          const value = Number.parseInt(group, 16)
          return [value >> 8, value & 0xff]
        })
  const [head = '', tail = ''] = text.split('::')
  const before = bytesOf(head)
  const after = bytesOf(tail)
  return Uint8Array.from([
    ...before,
    ...new Array<number>(16 - before.length - after.length).fill(0),
    ...after,
  ])
}
