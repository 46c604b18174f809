// Addresses as programs record them: bytes in network order, or numbers that were read from such bytes.
import { littleEndian } from '../machine/byte-order.js'

/** An address in the kernel's order: its bytes, or a `__be32`, or the four `__be32` of an IPv6 address. */
export type RawAddress = Uint8Array | number | readonly number[]

/**
 * An IPv4 or IPv6 address as text, such as `10.0.0.1` or `2001:db8::1` (RFC 5952).
 *
 * @param address - 4 or 16 bytes, a `__be32` member such as `user_ip4`, or an array of four such as `user_ip6`
 * @throws RangeError if it has another size
 *
 * @example ipAddress(event.saddr)
 */
export function ipAddress(address: RawAddress): string {
  const bytes = bytesOf(address)
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`)
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') return `::ffff:${bytes.slice(12).join('.')}`
  // Bun's SocketAddress does not shorten addresses, but its URL does.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** A hardware address as text, such as `52:54:00:12:34:56`. */
export function macAddress(address: Uint8Array | readonly number[]): string {
  return Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** A `__be16`, such as a port, as the number that it stands for. */
export function fromBe16(value: number): number {
  return littleEndian ? ((value & 0xff) << 8) | ((value >>> 8) & 0xff) : value
}

/** A `__be32` as the number that it stands for. */
export function fromBe32(value: number): number {
  return new DataView(Uint32Array.of(value).buffer).getUint32(0)
}

function bytesOf(address: RawAddress): number[] {
  if (typeof address === 'number') return [...new Uint8Array(Uint32Array.of(address).buffer)]
  if (ArrayBuffer.isView(address) || address.length !== 4) return [...address]
  return [...new Uint8Array(Uint32Array.from(address).buffer)]
}
