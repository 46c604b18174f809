/** The BTF is damaged or contradicts itself. */
class MalformedBtf extends Error {}

/** Makes the error for damaged BTF. */
export function malformed(what: string): Error {
  return new MalformedBtf(`malformed BTF: ${what}`)
}
