// Finds out which instruction of a changed program is which of the original, so that C lines and functions move along.
import { viewOf } from '../btf/bytes.js'
import { littleEndian } from '../machine/byte-order.js'

/**
 * With more insertions and removals than this, everything between the first and the last of them counts as replaced.
 */
const mostEdits = 1000

/**
 * Returns the position in `after` of each slot of `before`. A slot that was removed gets the position of what replaces
 * it. A function's first slot stays the first one. Both consist of whole instructions, with 8 bytes per slot.
 */
export function instructionMoves(before: Uint8Array, after: Uint8Array): Uint32Array {
  const numbers = new Map<bigint, number>()
  const [old, changed] = [contentOf(before, numbers), contentOf(after, numbers)]
  const shorter = Math.min(old.length, changed.length)
  let head = 0
  while (head < shorter && old[head] === changed[head]) head++
  let tail = 0
  while (tail < shorter - head && old.at(-1 - tail) === changed.at(-1 - tail)) tail++
  const pairs = [
    ...common(old.subarray(head, old.length - tail), changed.subarray(head, changed.length - tail)),
    // What follows the last difference, if anything does.
    [old.length - head - tail, changed.length - head - tail] as const,
  ]
  const moves = Uint32Array.from(old, (_, i) => (i < head ? i : i + changed.length - old.length))
  let [from, to] = [head, head]
  for (const [i, j] of pairs) {
    // Between two instructions that stayed, removed ones get the positions of new ones, in order, as far as there are
    // any.
    const last = Math.max(to, head + j - 1)
    for (let removed = from; removed < head + i; removed++)
      moves[removed] = Math.min(to + removed - from, last)
    if (head + i < old.length) moves[head + i] = head + j
    ;[from, to] = [head + i + 1, head + j + 1]
  }
  const starts = functionStarts(after)
  const oldStarts = functionStarts(before)
  if (starts.length === oldStarts.length) for (const [i, at] of oldStarts.entries()) moves[at] = starts[i]!
  return moves
}

const jumpClasses = [0x05, 0x06]
const [call, exit, gotol, loadWide] = [0x85, 0x95, 0x06, 0x18]
const [toFunction, functionAddress] = [1, 4]

interface Slot {
  readonly code: number
  readonly src: number
  readonly imm: number
}

function* slotsOf(bytes: Uint8Array): Generator<Slot> {
  const view = viewOf(bytes)
  for (let at = 0; at < bytes.length; at += 8) {
    const registers = bytes[at + 1]!
    yield {
      code: bytes[at]!,
      src: littleEndian ? registers >> 4 : registers & 15,
      imm: view.getInt32(at + 4, littleEndian),
    }
  }
}

const refersToFunction = ({ code, src }: Slot): boolean =>
  (code === call && src === toFunction) || (code === loadWide && src === functionAddress)

/** A number for each slot, the same for slots that only differ in how far they jump. */
function contentOf(bytes: Uint8Array, numbers: Map<bigint, number>): Int32Array {
  const view = viewOf(bytes)
  return Int32Array.from([...slotsOf(bytes)], (slot, i) => {
    const { code } = slot
    const isJump = jumpClasses.includes(code & 7) && code !== call && code !== exit
    const [offset, imm] = [view.getUint16(i * 8 + 2), view.getUint32(i * 8 + 4)]
    const far = code === gotol || refersToFunction(slot) ? 0 : imm
    const key = (BigInt(view.getUint16(i * 8)) << 48n) | (BigInt(isJump ? 0 : offset) << 32n) | BigInt(far)
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    return number
  })
}

/** The slots at which functions begin, sorted. */
function functionStarts(bytes: Uint8Array): number[] {
  const starts = new Set([0])
  for (const [slot, fields] of [...slotsOf(bytes)].entries()) {
    const to = slot + 1 + fields.imm
    if (refersToFunction(fields) && to > 0 && to * 8 < bytes.length) starts.add(to)
  }
  return [...starts].sort((a, b) => a - b)
}

/** The longest common subsequence, as pairs of indexes in order. (Myers' algorithm) */
function common(a: Int32Array, b: Int32Array): Pair[] {
  const most = Math.min(mostEdits, a.length + b.length)
  // How far in `a` each diagonal k = i - j reaches; k can be -most - 1 to most + 1.
  const furthest = new Int32Array(2 * most + 3)
  const rounds: Int32Array[] = []
  for (let edits = 0; edits <= most; edits++) {
    rounds.push(furthest.slice())
    for (let k = -edits; k <= edits; k += 2) {
      let i = furthest[most + 1 + previous(furthest, k, edits)]!
      if (previous(furthest, k, edits) < k) i++
      while (i < a.length && i - k < b.length && a[i] === b[i - k]) i++
      furthest[most + 1 + k] = i
      if (i >= a.length && i - k >= b.length) return backtrack(rounds, a.length, b.length)
    }
  }
  return []
}

type Pair = readonly [number, number]

/** The diagonal that the path comes from: the one above for an insertion, the one below for a removal. */
function previous(furthest: Int32Array, k: number, edits: number): number {
  const middle = (furthest.length - 1) / 2
  const isInsertion = k === -edits || (k !== edits && furthest[middle + k - 1]! < furthest[middle + k + 1]!)
  return isInsertion ? k + 1 : k - 1
}

function backtrack(rounds: readonly Int32Array[], i: number, j: number): Pair[] {
  const pairs: Pair[] = []
  for (let edits = rounds.length - 1; edits >= 0; edits--) {
    const furthest = rounds[edits]!
    const k = previous(furthest, i - j, edits)
    const before = furthest[(furthest.length - 1) / 2 + k]!
    while (i > before && j > before - k && i > 0 && j > 0) pairs.push([--i, --j])
    if (edits > 0) [i, j] = [before, before - k]
  }
  return pairs.reverse()
}
