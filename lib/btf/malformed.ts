/** BTF that contradicts itself. */
class MalformedBtf extends Error {}

/** The error for it. */
export function malformed(what: string): Error {
  return new MalformedBtf(`malformed BTF: ${what}`)
}
