import type { Machine } from './machine.js'

/** How often each line ran, by file. Only lines that became instructions are in it. */
export type Coverage = ReadonlyMap<string, ReadonlyMap<number, number>>

/** What the programs of some machines ran, added up. They must have been made with `coverage: true`. */
export function coverageOf(machines: Iterable<Machine>): Coverage {
  const files = new Map<string, Map<number, number>>()
  for (const machine of machines) {
    for (const { ops, number } of machine.functions) {
      const counts = machine.counts(number)
      for (const [i, { line }] of ops.entries()) {
        // Instructions that the compiler made from no line in particular have line 0, which lcov does not know.
        if (line === undefined || line.line === 0) continue
        const lines = files.get(line.file) ?? new Map<number, number>()
        files.set(line.file, lines)
        // The instructions of a line may stand apart; the one that ran most often says how often the line did.
        lines.set(line.line, Math.max(lines.get(line.line) ?? 0, counts[i] ?? 0))
      }
    }
  }
  return files
}

/** Coverage in the form of lcov, which editors, genhtml and services for coverage read. */
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
