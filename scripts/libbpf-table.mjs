// docs/libbpf.md: what takes the place of each function of libbpf. libbpf-functions.json has the list, by topic. A value
// that begins with "no: " is a reason why there is nothing.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

const page = join(root, 'docs/libbpf.md')
const read = (path) => readFileSync(join(root, path), 'utf8')

const pinned = () => JSON.parse(read('deps/versions.json')).libbpf

/** The public functions of the vendored libbpf. */
const exported = () =>
  [...read('deps/libbpf/src/libbpf.map').matchAll(/^\s+(\w+);$/gm)].map(([, name]) => name)

function render(topics) {
  const all = Object.values(topics).flatMap((functions) => Object.values(functions))
  const absent = all.filter((text) => text.startsWith('no: ')).length
  const { version } = pinned()
  const tables = Object.entries(topics).map(([topic, functions]) => {
    const rows = Object.entries(functions).map(
      ([name, text]) => `| \`${name}\` | ${text.replace(/^no: /, 'None: ')} |`,
    )
    return `## ${topic}\n\n| libbpf | here |\n|---|---|\n${rows.join('\n')}\n`
  })
  return `# The functions of libbpf

libbpf ${version} has ${all.length} public functions. This page says for each one how you reach it from Node.js, or why there is
nothing to reach. ${all.length - absent} have an equivalent, and ${absent} have none. \`object\`, \`program\`, \`map\`, \`link\`, \`ring\`, \`perf\`,
\`userRing\` and \`btf\` stand for objects of the classes \`BpfObject\`, \`Program\`, \`BpfMap\`, \`Link\`, \`RingBuffer\`,
\`PerfBuffer\`, \`UserRingBuffer\` and \`Btf\`.

<!-- npm run format writes this page from scripts/libbpf-functions.json. -->

${tables.join('\n')}`
}

/** The words in code that must be names of the public interface: `map.get(key, { flags })` has map, get, key, flags. */
function unknownNames(topics, functions) {
  const api = new Set(read('docs/api-report.txt').match(/\w+/g))
  const free = new Set([
    'object',
    'ring',
    'perf',
    'userRing',
    'linker',
    'reservation',
    'gen',
    'FILE',
    'of',
    'for',
    'await',
    'error',
  ])
  const isKnown = (word) => api.has(word) || free.has(word) || functions.has(word) || /^\d+$/.test(word)
  return Object.values(topics)
    .flatMap((topic) => Object.values(topic))
    .flatMap((text) =>
      [...text.matchAll(/`([^`]+)`/g)].flatMap(
        ([, code]) => code.replace(/libbpf-node\S*/g, '').match(/\w+/g) ?? [],
      ),
    )
    .filter((word) => !isKnown(word))
}

/** Compares the list with libbpf and with the public interface, and docs/libbpf.md with the list, or writes it. */
export function checkTable(write) {
  const topics = JSON.parse(read('scripts/libbpf-functions.json'))
  const listed = new Set(Object.values(topics).flatMap((functions) => Object.keys(functions)))
  const functions = new Set(exported())
  const faults = [
    ...[...functions]
      .filter((name) => !listed.has(name))
      .map((name) => `libbpf has ${name}, the list does not`),
    // Where only the fallback of deps/versions.json can be had, newer functions are missing.
    ...[...listed]
      .filter((name) => !functions.has(name) && read('deps/libbpf/.fetched') === pinned().version)
      .map((name) => `the list has ${name}, libbpf does not`),
    ...unknownNames(topics, functions).map(
      (name) => `the list mentions ${name}, which the public interface does not have`,
    ),
  ]
  if (faults.length > 0) throw new Error(`scripts/libbpf-functions.json:\n  ${faults.join('\n  ')}`)
  const text = render(topics)
  if (write) writeFileSync(page, text)
  else if (!existsSync(page) || readFileSync(page, 'utf8') !== text)
    throw new Error('docs/libbpf.md is not what scripts/libbpf-functions.json says: run npm run format')
}
