// Reads the messages in which the kernel describes interfaces and their qdiscs and filters.
import { native } from '../native/binding.js'
import { littleEndian } from './byte-order.js'

/** A message without its header: a struct of the kernel, and the attributes that follow it. */
export interface Message {
  readonly body: DataView
  readonly attributes: Attributes
}

/** The attributes of a message, or those inside of an attribute, by their numbers. */
export class Attributes {
  readonly #values = new Map<number, DataView>()

  constructor(view: DataView) {
    for (let at = 0; at + 4 <= view.byteLength; ) {
      const length = view.getUint16(at, littleEndian)
      if (length < 4 || at + length > view.byteLength) return
      // Without the bits that mark nested attributes and those in network order.
      const number = view.getUint16(at + 2, littleEndian) & 0x3fff
      this.#values.set(number, viewOn(view, at + 4, length - 4))
      at += aligned(length)
    }
  }

  has(number: number): boolean {
    return this.#values.has(number)
  }

  text(number: number): string | undefined {
    const view = this.#values.get(number)
    if (view === undefined) return undefined
    return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('utf8').replace(/\0.*$/s, '')
  }

  u8(number: number): number | undefined {
    return this.#values.get(number)?.getUint8(0)
  }

  u32(number: number): number | undefined {
    return this.#values.get(number)?.getUint32(0, littleEndian)
  }

  nested(number: number): Attributes {
    return new Attributes(this.#values.get(number) ?? new DataView(new ArrayBuffer(0)))
  }
}

/**
 * Asks the kernel for a whole list, in the network namespace of this thread.
 *
 * @param type - RTM_GET* of linux/rtnetlink.h
 * @param body - the struct that such a request begins with, as do the answers
 */
export function routeDump(type: number, body: Uint8Array): Message[] {
  const bytes = native.netlinkDump(type, body)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: Message[] = []
  const header = 16
  for (let at = 0; at + header <= view.byteLength; ) {
    const length = view.getUint32(at, littleEndian)
    const start = at + header
    const attributes = new Attributes(
      viewOn(view, start + aligned(body.length), length - header - aligned(body.length)),
    )
    found.push({ body: viewOn(view, start, body.length), attributes })
    at += aligned(length)
  }
  return found
}

const aligned = (size: number): number => (size + 3) & ~3

const viewOn = (view: DataView, offset: number, length: number): DataView =>
  new DataView(view.buffer, view.byteOffset + offset, length)
