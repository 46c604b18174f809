import { raise } from './fault.js'
import { isFlexible, type Plan } from './plan.js'
import { byteLength } from './values.js'

/** The two functions that are made from a plan. */
export interface Raw {
  decode(view: DataView, offset?: number, length?: number): unknown
  encode(value: unknown, view: DataView, offset?: number): void
}

/** What the code for one type needs besides its plan: sizes, and errors with the type's name. */
export interface Frame {
  readonly size: number
  byteLength(value: unknown): number
  tooShort(view: DataView, offset: number, length: number | undefined): never
  noRoom(view: DataView, offset: number, needed: number): never
  raise(thrown: unknown): never
}

/**
 * @param root - the name of a value in errors: `event`
 * @param words - the name of the type in errors: `struct event`
 */
export function frameOf(plan: Plan, size: number, root: string, words: string): Frame {
  return {
    size,
    byteLength: (value) => (isFlexible(plan) ? byteLength(plan, value) : size),
    tooShort(view, offset, length) {
      throw new RangeError(
        `${words} has ${size} bytes, but the record has only ${bytesAt(view, offset, length)}`,
      )
    },
    noRoom(view, offset, needed) {
      throw new RangeError(
        `${words} needs ${needed} bytes, but there is only room for ${bytesAt(view, offset, undefined)}`,
      )
    },
    raise: (thrown) => raise(thrown, root),
  }
}

function bytesAt(view: DataView, offset: number, length: number | undefined): number {
  const left = offset >= 0 ? Math.max(0, view.byteLength - offset) : 0
  return length === undefined ? left : Math.max(0, Math.min(left, length))
}
