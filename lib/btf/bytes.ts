/**
 * Whether a value is a Uint8Array or a Buffer. Unlike `instanceof`, this also works for values of another realm, such
 * as the sandbox of a test runner or a `vm` context.
 *
 * @internal
 */
export function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}

/**
 * Returns the same bytes as a Uint8Array of this realm. In a sandbox such as Jest's, arrays that native code makes are
 * not instances of the sandbox's Uint8Array.
 *
 * @internal
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes
  const { buffer, byteOffset, length } = bytes as Uint8Array
  return new Uint8Array(buffer, byteOffset, length)
}

/** A view of just these bytes, whatever memory they are a part of. @internal */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
