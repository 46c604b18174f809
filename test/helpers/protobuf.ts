/** Reads a message of protocol buffers: for each field, its numbers and bytes. */
export function fieldsOf(bytes: Uint8Array): Map<number, (bigint | Uint8Array)[]> {
  const fields = new Map<number, (bigint | Uint8Array)[]>()
  let at = 0
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const list = fields.get(tag >> 3) ?? []
    fields.set(tag >> 3, list)
    if ((tag & 7) === 0) list.push(varint())
    else {
      if ((tag & 7) !== 2) throw new Error(`field ${tag >> 3} has the type ${tag & 7}`)
      const size = Number(varint())
      list.push(bytes.subarray(at, at + size))
      at += size
    }
  }
  if (at !== bytes.length) throw new Error('the message ends early')
  return fields
}
