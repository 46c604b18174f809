/**
 * Whether it is a Uint8Array, or a Buffer, of whatever realm: what a test runner's sandbox or a `vm` context made is no instance of our Uint8Array.
 *
 * @internal
 */
export function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}

/**
 * Returns bytes that native code made as a Uint8Array of this realm: in a sandbox, such as Jest's, they are otherwise no instance of its Uint8Array.
 *
 * @internal
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes
  const { buffer, byteOffset, length } = bytes as Uint8Array
  return new Uint8Array(buffer, byteOffset, length)
}
