/** The error for BTF that contradicts itself. One place, so that it can become another class. */
export function malformed(what: string): Error {
  return new Error(`malformed BTF: ${what}`)
}
