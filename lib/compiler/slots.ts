// Places on the stack, and whether anything but loads and stores uses their addresses.
import type { Block } from './blocks.js'

export interface Slot {
  /** From the end of the stack: a negative number. */
  readonly offset: number
  readonly size: number
}

interface Area {
  start: number
  end: number
  isShared: boolean
  isRead: boolean
}

export class Slots {
  readonly #areas: Area[]

  constructor(slots: readonly Slot[], blocks: readonly Block[]) {
    this.#areas = merged(slots)
    for (const { ops } of blocks) {
      for (const operation of ops) {
        if (operation.op === 'frame') this.#share(operation.offset)
        if (operation.op === 'call') {
          for (const arg of operation.args) if ('frame' in arg) this.#share(arg.frame)
          for (const offset of operation.reaches ?? []) this.#share(offset)
        }
        const isRead = operation.op === 'load' || operation.op === 'atomicAdd'
        const area = isRead && operation.base === 'frame' ? this.#at(operation.offset) : undefined
        if (area !== undefined) area.isRead = true
      }
    }
  }

  #at(offset: number): Area | undefined {
    return this.#areas.find(({ start, end }) => offset >= start && offset < end)
  }

  #share(offset: number): void {
    const area = this.#at(offset)
    if (area !== undefined) area.isShared = true
  }

  /** Whether a call, or a store by a pointer, may change what is there. */
  isShared(offset: number): boolean {
    return this.#at(offset)?.isShared ?? true
  }

  /** Whether what is stored there is never read. */
  isUnused(offset: number): boolean {
    const area = this.#at(offset)
    return area !== undefined && !area.isShared && !area.isRead
  }
}

/** Slots that are used one after the other for different things are one area. */
function merged(slots: readonly Slot[]): Area[] {
  const areas: Area[] = []
  for (const { offset, size } of [...slots].sort((a, b) => a.offset - b.offset)) {
    const last = areas.at(-1)
    if (last !== undefined && offset < last.end) last.end = Math.max(last.end, offset + size)
    else areas.push({ start: offset, end: offset + size, isShared: false, isRead: false })
  }
  return areas
}
