/** How many insertions, deletions, replacements and swaps of neighbors turn `a` into `b`; `limit + 1` when more. */
function distance(a: string, b: string, limit: number): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let d = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        d = Math.min(d, before[j - 2]! + 1)
      row.push(d)
      best = Math.min(best, d)
    }
    if (best > limit) return limit + 1
    before = last
    last = row
  }
  return last[b.length]!
}

/**
 * Up to three of `names` that were probably meant by `wanted`, nearest first. Functions that the compiler made from the
 * function `wanted`, such as `wanted.isra.0` or `wanted.cold`, come before all others.
 */
export function nearest(wanted: string, names: Iterable<string>): string[] {
  const limit = editLimit(wanted)
  const found = new Map<string, number>()
  for (const name of names) {
    if (found.has(name)) continue
    if (name.startsWith(`${wanted}.`)) found.set(name, 0)
    if (Math.abs(name.length - wanted.length) > limit) continue
    const d = distance(wanted, name, limit)
    if (d <= limit) found.set(name, d)
  }
  return [...found]
    .sort((a, b) => a[1] - b[1])
    .slice(0, 3)
    .map(([name]) => name)
}

/** How many edits a typo may be away from the right name. */
export const editLimit = (wanted: string): number => Math.min(3, Math.ceil(wanted.length / 3))

/** `"; did you mean 'x' or 'y'?"`, or nothing when no name is near. */
export function didYouMean(wanted: string, names: Iterable<string>): string {
  const near = nearest(wanted, names).map((name) => `'${name}'`)
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
}
