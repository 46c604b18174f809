import type { Instruction } from './instruction.js'

/**
 * Replaces some instructions by others, as `Array.prototype.toSpliced` does, and keeps the program whole: labels of
 * removed instructions move to the first new one, or to the one that follows.
 *
 * @throws RangeError if labels would be left without an instruction, since nothing follows
 */
export function splice(
  instructions: readonly Instruction[],
  start: number,
  removeCount: number,
  ...inserted: readonly Instruction[]
): Instruction[] {
  const removed = instructions.slice(start, start + removeCount)
  const after = instructions.slice(start + removeCount)
  const labels = removed.flatMap(({ labels = [] }) => labels)
  const rest = [...inserted, ...after]
  if (labels.length > 0) {
    const [heir, ...others] = rest
    if (heir === undefined) throw new RangeError(`nothing follows that could take the label '${labels[0]}'`)
    rest.splice(0, rest.length, { ...heir, labels: [...labels, ...(heir.labels ?? [])] }, ...others)
  }
  return [...instructions.slice(0, start), ...rest]
}

/** Adds a label, by which jumps and calls find the instruction. */
export function label(name: string, instruction: Instruction): Instruction {
  return { ...instruction, labels: [...(instruction.labels ?? []), name] }
}
