/** A message of Protocol Buffers. Its members have numbers, and those that are missing are empty. */
export class Message {
  readonly #fields: ReadonlyMap<number, readonly Uint8Array[]>

  constructor(fields: ReadonlyMap<number, readonly Uint8Array[]>) {
    this.#fields = fields
  }

  text(field: number): string {
    return Buffer.from(this.#fields.get(field)?.at(-1) ?? []).toString('utf8')
  }

  message(field: number): Message {
    return fieldsOf(this.#fields.get(field)?.at(-1) ?? new Uint8Array())
  }

  messages(field: number): Message[] {
    return (this.#fields.get(field) ?? []).map(fieldsOf)
  }

  /** A map from text to text, which is written as messages with a key and a value. */
  textMap(field: number): Record<string, string> {
    return Object.fromEntries(this.messages(field).map((entry) => [entry.text(1), entry.text(2)]))
  }
}

enum Wire {
  varint = 0,
  fixed64 = 1,
  bytes = 2,
  fixed32 = 5,
}

/** Finds the texts and messages in a message. Numbers are skipped. @throws RangeError if it is damaged */
export function fieldsOf(bytes: Uint8Array): Message {
  const fields = new Map<number, Uint8Array[]>()
  let at = 0
  const varint = (): number => {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      if (byte === undefined || factor > 2 ** 63) throw new RangeError('the message is damaged')
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const wire: Wire = tag & 7
    if (wire === Wire.varint) varint()
    else if (wire === Wire.fixed64) at += 8
    else if (wire === Wire.fixed32) at += 4
    else if (wire === Wire.bytes) {
      const length = varint()
      const field = Math.floor(tag / 8)
      const found = fields.get(field)
      if (found === undefined) fields.set(field, [bytes.subarray(at, at + length)])
      else found.push(bytes.subarray(at, at + length))
      at += length
    } else throw new RangeError('the message is damaged')
  }
  if (at > bytes.length) throw new RangeError('the message is damaged')
  return new Message(fields)
}
