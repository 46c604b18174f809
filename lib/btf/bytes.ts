/**
 * Whether it is a Uint8Array, or a Buffer, of whatever realm: what a test runner's sandbox or a `vm` context made is no instance of our Uint8Array.
 *
 * @internal
 */
export function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}
