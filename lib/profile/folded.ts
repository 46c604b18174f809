import { label, type Sample } from './sample.js'

/** Options for {@link Profile.folded}. */
export interface FoldedOptions {
  /**
   * Marks frames as flamegraph.pl expects it: `_[k]` for the kernel, `_[i]` for inlined functions, and `_[j]` for code
   * made at run time.
   */
  annotate?: boolean
}

/** A line for each stack: `comm;outermost;...;innermost value`. */
export function folded(samples: readonly Sample[], { annotate = false }: FoldedOptions = {}): string {
  const sums = new Map<string, number>()
  for (const { comm, frames, value } of samples) {
    const names = frames.map((frame) => {
      return `${clean(label(frame))}${annotate ? markOf(frame) : ''}`
    })
    const stack = [...names, clean(comm)].reverse().join(';')
    sums.set(stack, (sums.get(stack) ?? 0) + value)
  }
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([stack, value]) => `${stack} ${value}\n`)
    .join('')
}

function markOf({ kind, isInlined }: Sample['frames'][number]): string {
  if (kind === 'jit') return '_[j]'
  if (isInlined) return '_[i]'
  return kind === 'kernel' || kind === 'module' || kind === 'bpf' ? '_[k]' : ''
}

/** Semicolons separate frames, and lines separate stacks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: names come from files that anybody made
const clean = (name: string): string => name.replaceAll(';', ':').replace(/[\x00-\x1f\x7f]/g, ' ')
