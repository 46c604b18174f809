import { inspect } from 'node:util'
import { BpfError } from '../errors/errors.js'
import { composeRead, type Read } from './compose.js'
import { raise } from './fault.js'
import type { BigPlan, IntPlan, Plan, RecordPlan } from './plan.js'
import { readText } from './text.js'

/** A string in a record. It is compared in place; only `toString()` creates it. */
export interface TextView {
  /** Whether the string is equal to this one. */
  equals(text: string): boolean
  /** Whether the string begins with this one. */
  startsWith(text: string): boolean
  toString(): string
  toJSON(): string
}

/**
 * A record in place. Each member is read when you use it: integers, floats and booleans as they are, strings as a
 * {@link TextView}, and structs as views. Arrays and bytes are copied when you use them.
 *
 * @typeParam T - the type of the record
 */
export type RecordView<T> = T extends string
  ? TextView
  : T extends number | bigint | boolean | Uint8Array | readonly unknown[]
    ? T
    : T extends object
      ? { readonly [K in keyof T]: RecordView<T[K]> }
      : T

/** What the views of a type are made from. @internal */
export interface ViewSource {
  readonly plan: Plan
  readonly littleEndian: boolean
  /** The name of a value in errors: `event`. */
  readonly root: string
}

/** Where the record is that a view shows. */
interface Place {
  view: DataView
  at: number
  end: number
}

interface Decoder<T> {
  decode(view: DataView, offset: number, length: number): T
}

const sources = new WeakMap<object, () => ViewSource>()

/** Notes what a codec's views are made from. @internal */
export function setViewSource(codec: object, source: () => ViewSource): void {
  sources.set(codec, source)
}

/** A view that is moved from record to record. @internal */
export class RecordViewer<T> {
  readonly #place: Place = { view: released, at: 0, end: 0 }
  readonly view: RecordView<T>
  /** Decodes the record where the view is. */
  readonly copy: () => T

  /** Returns `undefined` for codecs of others and for types without members. */
  static of<T>(codec: Decoder<T>): RecordViewer<T> | undefined {
    const source = sources.get(codec)?.()
    return source?.plan.op === 'record' ? new RecordViewer<T>(codec, source, source.plan) : undefined
  }

  private constructor({ decode }: Decoder<T>, source: ViewSource, plan: RecordPlan) {
    const place = this.#place
    this.view = viewOf(place, source, plan, 0) as RecordView<T>
    this.copy = () => {
      if (place.view === released) refuse()
      return decode(place.view, place.at, place.end - place.at)
    }
  }

  moveTo(view: DataView, offset: number, length: number): void {
    const place = this.#place
    place.view = view
    place.at = offset
    place.end = offset + length
  }

  /** Makes the view throw until it is moved again. */
  release(): void {
    this.#place.view = released
  }
}

function viewOf(place: Place, source: ViewSource, { fields }: RecordPlan, start: number): object {
  const view = {}
  for (const { name, offset, plan } of fields) {
    const member = memberOf(place, source, plan, start + offset)
    Object.defineProperty(view, name, { enumerable: true, ...member })
  }
  const show = () =>
    Object.fromEntries(fields.map(({ name }) => [name, (view as Record<string, unknown>)[name]]))
  if (!(inspect.custom in view)) Object.defineProperty(view, inspect.custom, { value: show })
  return Object.freeze(view)
}

function memberOf(place: Place, source: ViewSource, plan: Plan, offset: number): PropertyDescriptor {
  const { littleEndian, root } = source
  switch (plan.op) {
    case 'record':
      return { value: viewOf(place, source, plan, offset) }
    case 'text':
      return { value: Object.freeze(new TextInRecord(place, offset, plan.flexible ? -1 : plan.length)) }
    case 'int':
      return { get: intGetter(place, plan, offset, littleEndian) }
    case 'big':
      if (plan.size === 8 && !plan.asNumber) return { get: bigGetter(place, plan, offset, littleEndian) }
      break
    case 'float':
      return {
        get:
          plan.size === 4
            ? () => place.view.getFloat32(place.at + offset, littleEndian)
            : () => place.view.getFloat64(place.at + offset, littleEndian),
      }
  }
  return { get: getter(place, composeRead(plan, littleEndian), offset, root) }
}

function getter(place: Place, read: Read, offset: number, root: string): () => unknown {
  return () => {
    try {
      return read(place.view, place.at + offset, place.end)
    } catch (thrown) {
      raise(thrown, root)
    }
  }
}

// V8 inlines these closures where a view is used, as if they were written for the member.
function intGetter(place: Place, { size, signed }: IntPlan, offset: number, le: boolean): () => number {
  if (size === 1)
    return signed ? () => place.view.getInt8(place.at + offset) : () => place.view.getUint8(place.at + offset)
  if (size === 2)
    return signed
      ? () => place.view.getInt16(place.at + offset, le)
      : () => place.view.getUint16(place.at + offset, le)
  return signed
    ? () => place.view.getInt32(place.at + offset, le)
    : () => place.view.getUint32(place.at + offset, le)
}

/** Puts a 64-bit integer together from two words, as generate.ts does, and for the same reason. */
function bigGetter(place: Place, { signed }: BigPlan, offset: number, le: boolean): () => bigint {
  const [low, high] = le ? [offset, offset + 4] : [offset + 4, offset]
  const bits = (view: DataView, at: number) =>
    (BigInt(view.getUint32(at + high, le)) << 32n) + BigInt(view.getUint32(at + low, le))
  return signed
    ? () => BigInt.asIntN(64, bits(place.view, place.at))
    : () => BigInt.asUintN(64, bits(place.view, place.at))
}

class TextInRecord implements TextView {
  readonly #place: Place
  readonly #offset: number
  /** -1 for the rest of the record. */
  readonly #size: number

  constructor(place: Place, offset: number, size: number) {
    this.#place = place
    this.#offset = offset
    this.#size = size
  }

  equals(text: string): boolean {
    return this.#begins(text, true)
  }

  startsWith(text: string): boolean {
    return this.#begins(text, false)
  }

  #begins(text: string, ends: boolean): boolean {
    const { view } = this.#place
    const at = this.#place.at + this.#offset
    const size = this.#room
    const { length } = text
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i)
      // Only ASCII has as many characters as bytes. A NUL ends the string, so it is never part of it.
      if (c > 0x7f) return ends ? this.toString() === text : this.toString().startsWith(text)
      if (c === 0 || i >= size || view.getUint8(at + i) !== c) return false
    }
    return !ends || length >= size || view.getUint8(at + length) === 0
  }

  get #room(): number {
    if (this.#size >= 0) return this.#size
    return Math.max(0, this.#place.end - this.#place.at - this.#offset)
  }

  toString(): string {
    return readText(this.#place.view, this.#place.at + this.#offset, this.#room)
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

function refuse(): never {
  throw new BpfError('a view is only valid in the callback that it was passed to: keep a copy instead', {
    code: 'ERR_BPF_STATE',
  })
}

const getters = [
  'Int8',
  'Uint8',
  'Int16',
  'Uint16',
  'Int32',
  'Uint32',
  'Float32',
  'Float64',
  'BigInt64',
  'BigUint64',
]

/** What a view reads outside of its callback. V8 treats it like any DataView until it is used. */
const released = new DataView(new ArrayBuffer(0))
for (const name of getters) Object.defineProperty(released, `get${name}`, { value: refuse })
