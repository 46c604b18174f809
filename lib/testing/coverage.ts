import type { Machine } from './machine.js'

/** How often each line ran, by file. It contains only lines that became instructions. */
export type Coverage = ReadonlyMap<string, ReadonlyMap<number, number>>

/** The coverage of the programs of some machines, added up. The machines must have been made with `coverage: true`. */
export function coverageOf(machines: Iterable<Machine>): Coverage {
  const files = new Map<string, Map<number, number>>()
  for (const machine of machines) {
    for (const { ops, number } of machine.functions) {
      const counts = machine.counts(number)
      for (const [i, { line }] of ops.entries()) {
        // Instructions that the compiler made from no particular line have line 0, which does not exist in lcov.
        if (line === undefined || line.line === 0) continue
        const lines = files.get(line.file) ?? new Map<number, number>()
        files.set(line.file, lines)
        // The instructions of a line may be in several places; the one that ran most often tells how often the line
        // ran.
        lines.set(line.line, Math.max(lines.get(line.line) ?? 0, counts[i] ?? 0))
      }
    }
  }
  return files
}

/** Coverage in the form of lcov, which editors, genhtml and coverage services read. */
export function lcov(coverage: Coverage): string {
  let text = ''
  for (const [file, lines] of [...coverage].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text += `TN:\nSF:${file}\n`
    const sorted = [...lines].sort(([a], [b]) => a - b)
    for (const [line, count] of sorted) text += `DA:${line},${count}\n`
    text += `LF:${sorted.length}\nLH:${sorted.filter(([, count]) => count > 0).length}\nend_of_record\n`
  }
  return text
}
