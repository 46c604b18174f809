// Writes the tables of docs/kernels.md, which tests ran on which kernel, from the results of a complete run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const path = 'docs/kernels.md'
const begin = '<!-- Written by npm run test:kernels, from here on. -->\n'

/** Replaces the part of the page after {@link begin}. */
export function writeTable(outcomes) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const end = text.indexOf(begin)
  if (end < 0) throw new Error(`${path} lacks the line ${begin}`)
  writeFileSync(path, text.slice(0, end) + begin + tables(outcomes))
}

function tables(outcomes) {
  const releases = outcomes.map(({ kernel }) => kernel.release.match(/^\d+\.\d+/)[0])
  // Hooks are listed by describe block, everything else by file.
  const hooks = new Map()
  const rest = new Map()
  const versions = new Map()
  outcomes.forEach(({ results }, column) => {
    for (const { file, name, state } of results) {
      const isHook = file.startsWith('test/attach/')
      const group = isHook && name.includes(' > ') ? name.split(' > ')[0] : file
      const rows = isHook ? hooks : rest
      if (!rows.has(group)) rows.set(group, { file, cells: outcomes.map(() => ({ passed: 0, skipped: 0 })) })
      rows.get(group).cells[column][state]++
      const [, what, version] = name.match(/^(.*?) \(Linux ([\d.]+)\)(?: > |$)/) ?? []
      if (what) versions.set(what, { version, file })
    }
  })
  const byFile = (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0)
  const table = (rows) =>
    [
      `| | ${releases.join(' | ')} |`,
      `|---|${releases.map(() => '---|').join('')}`,
      ...[...rows]
        .sort(([, a], [, b]) => byFile(a, b))
        .map(([group, { cells }]) => `| ${shortened(group)} | ${cells.map(cell).join(' | ')} |`),
    ].join('\n')
  const number = (version) => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0)
  const newer = [...versions].sort(
    ([nameA, a], [nameB, b]) =>
      number(a.version) - number(b.version) || byFile(a, b) || (nameA < nameB ? -1 : 1),
  )
  return `
## Hooks

${table(hooks)}

## Everything else, by test file

${table(rest)}

## What needs a newer kernel

| Linux | | test |
|---|---|---|
${newer.map(([name, { version, file }]) => `| ${version} | ${escaped(name)} | ${shortened(file)} |`).join('\n')}
`
}

/** A title may contain code, which is not Markdown or HTML. */
const escaped = (title) => title.replace(/[\\|<*]/g, '\\$&')

/** The name of a test file without what all names have in common. */
const shortened = (name) => name.replace(/^test\//, '').replace(/\.test\.ts$/, '')

function cell({ passed, skipped }) {
  if (passed + skipped === 0) return ''
  if (passed === 0) return '–'
  return skipped === 0 ? '✓' : `${passed} of ${passed + skipped}`
}
