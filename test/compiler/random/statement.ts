// What a statement of a random program is, and what stands around one.
import type { Scope } from './expressions.js'
import type { Int } from './types.js'
import type { Frame } from './world.js'

/** How a statement was left, if not by its end. */
export type Outcome =
  | { readonly how: 'break' | 'continue'; readonly label: string | undefined }
  | { readonly how: 'return'; readonly value: bigint }

export interface Statement {
  readonly text: () => string
  readonly run: (frame: Frame) => Outcome | undefined
  /** What it consists of, for leaving out. */
  readonly parts?: readonly Statement[][]
}

/** What leaves a loop or a function. */
export interface Leaving {
  readonly words: string
  readonly outcome: (frame: Frame) => Outcome
}

/** What stands around a statement. */
export interface Around extends Scope {
  readonly loops: readonly { readonly label: string | undefined; readonly isSwitch?: boolean }[]
  /** What `return` returns; undefined for nothing. */
  readonly returns: Int | undefined
  /** The function may end before its end. */
  readonly mayReturn: boolean
  /** A pointer into the packet is known, which a change of the packet would end. */
  readonly pointsIntoPacket: boolean
}

/** A statement, and what can be named behind it. */
export interface Step {
  readonly statement: Statement
  readonly behind?: Around
}

export const indent = (text: string): string => text.replace(/^/gm, '  ')
export const lines = (all: readonly Statement[]): string => all.map(({ text }) => text()).join('\n')
export const block = (all: readonly Statement[]): string => `{\n${indent(lines(all))}\n}`

export function runAll(all: readonly Statement[], frame: Frame): Outcome | undefined {
  for (const one of all) {
    const left = one.run(frame)
    if (left !== undefined) return left
  }
  return undefined
}
