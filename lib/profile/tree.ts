import { label, type Sample } from './sample.js'

/** A function as it was called by those above it. */
export interface TreeNode {
  readonly name: string
  /** `kernel`, `native`, `inlined`, `jit`, or `thread` for the names of threads below the root. */
  readonly kind: 'root' | 'thread' | 'kernel' | 'native' | 'jit' | 'unknown' | 'inlined'
  readonly module: string
  /** With everything that it called. */
  total: number
  /** Without what it called. */
  self: number
  /** The same for an earlier profile. */
  before: number
  readonly children: Map<string, TreeNode>
}

const kinds = {
  kernel: 'kernel',
  module: 'kernel',
  bpf: 'kernel',
  file: 'native',
  jit: 'jit',
  unknown: 'unknown',
} as const

const node = (name: string, kind: TreeNode['kind'], module = ''): TreeNode => ({
  name,
  kind,
  module,
  total: 0,
  self: 0,
  before: 0,
  children: new Map(),
})

/**
 * Merges samples with the same beginning.
 *
 * @param earlier - samples to compare with. Their values are scaled, so that both have the same sum.
 */
export function treeOf(samples: readonly Sample[], earlier: readonly Sample[] = []): TreeNode {
  const root = node('all', 'root')
  const sum = (list: readonly Sample[]): number => list.reduce((total, { value }) => total + value, 0)
  const scale = earlier.length === 0 ? 0 : sum(samples) / (sum(earlier) || 1)
  const add = ({ comm, frames }: Sample, count: (node: TreeNode) => void): TreeNode => {
    count(root)
    let at = child(root, comm, 'thread', '')
    count(at)
    for (let i = frames.length - 1; i >= 0; i--) {
      const frame = frames[i]!
      // Many nameless frames in a row say no more than one.
      if (at.kind === 'unknown' && frame.kind === 'unknown' && at.name === label(frame)) continue
      at = child(at, label(frame), frame.isInlined ? 'inlined' : kinds[frame.kind], frame.module)
      count(at)
    }
    return at
  }
  for (const sample of samples) {
    const leaf = add(sample, (one) => {
      one.total += sample.value
    })
    leaf.self += sample.value
  }
  for (const sample of earlier) {
    add(sample, (one) => {
      one.before += sample.value * scale
    })
  }
  return root
}

function child(parent: TreeNode, name: string, kind: TreeNode['kind'], module: string): TreeNode {
  const key = `${kind} ${module} ${name}`
  let found = parent.children.get(key)
  if (found === undefined) {
    found = node(name, kind, module)
    parent.children.set(key, found)
  }
  return found
}

/** A function, wherever it was called. */
export interface Hot {
  readonly name: string
  readonly module: string
  self: number
  total: number
}

/** The functions in which most was spent, not counting what they called. */
export function hottest(samples: readonly Sample[]): Hot[] {
  const found = new Map<string, Hot>()
  for (const { frames, value } of samples) {
    const seen = new Set<string>()
    for (const [i, frame] of frames.entries()) {
      const name = label(frame)
      const key = `${frame.module} ${name}`
      const hot = found.get(key) ?? { name, module: frame.module, self: 0, total: 0 }
      found.set(key, hot)
      if (i === 0) hot.self += value
      // A function that calls itself counts once.
      if (!seen.has(key)) hot.total += value
      seen.add(key)
    }
  }
  return [...found.values()].sort((a, b) => b.self - a.self || b.total - a.total)
}
