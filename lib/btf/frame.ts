import { raise } from './fault.js'
import { isFlexible, type Plan } from './plan.js'
import { byteLength } from './values.js'

/** What a plan is made into: the two functions that do the work. */
export interface Raw {
  decode(view: DataView, offset?: number, length?: number): unknown
  encode(value: unknown, view: DataView, offset?: number): void
}

/** What stands around the reading and writing of one type: sizes, and errors that call it by its name. */
export interface Frame {
  readonly size: number
  byteLength(value: unknown): number
  tooShort(view: DataView, offset: number, length: number | undefined): never
  noRoom(view: DataView, offset: number, needed: number): never
  raise(thrown: unknown): never
}

/** @param root - what a value is called in errors: `event`
 *  @param words - what the type is called in errors: `struct event` */
export function frameOf(plan: Plan, size: number, root: string, words: string): Frame {
  return {
    size,
    byteLength: (value) => (isFlexible(plan) ? byteLength(plan, value) : size),
    tooShort(view, offset, length) {
      throw new RangeError(`${words} has ${size} bytes, the record only ${bytesAt(view, offset, length)}`)
    },
    noRoom(view, offset, needed) {
      throw new RangeError(
        `${words} needs ${needed} bytes, there is room for ${bytesAt(view, offset, undefined)}`,
      )
    },
    raise: (thrown) => raise(thrown, root),
  }
}

function bytesAt(view: DataView, offset: number, length: number | undefined): number {
  const left = offset >= 0 ? Math.max(0, view.byteLength - offset) : 0
  return length === undefined ? left : Math.max(0, Math.min(left, length))
}
