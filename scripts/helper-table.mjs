// Writes lib/compiler/helpers/table.ts: the prototypes of all helpers from libbpf's list, which of them need a GPL
// license, and which programs may call them. The kernel that this runs on answers the last two: each helper is called
// with nothing in its registers, and the verifier says first whether it may be called at all.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

const { BpfObject } = await import(join(root, 'dist/lib/index.js'))
const { buildObject, call, exit, mov, r0 } = await import(join(root, 'dist/lib/asm.js'))

/** Sections to ask for, by the hooks that they stand for. Those that this kernel does not load are left out. */
const sections = JSON.parse(readFileSync(join(root, 'scripts/helper-sections.json'), 'utf8'))

const header = readFileSync(join(root, 'dist/include/bpf/bpf_helper_defs.h'), 'utf8')
const prototypes = new Map()
for (const [, returns, name, parameters, number] of header.matchAll(
  /^static (?:__bpf_fastcall )?(.*?)\(\* const bpf_(\w+)\)\((.*)\) = \(void \*\) (\d+);$/gm,
)) {
  prototypes.set(Number(number), { name, text: `${parameters} -> ${returns.trim()}` })
}

function ask(section, name, license) {
  const object = buildObject({
    license,
    programs: { p: { section, instructions: [call(name), mov(r0, 0), exit()] } },
  })
  const opened = BpfObject.open(object)
  try {
    opened.loadSync()
    return 'yes'
  } catch (error) {
    const text = `${error.log ?? ''}${error.message}`
    if (/GPL-restricted|GPL[- ]compatible/.test(text)) return 'GPL'
    if (/unknown func|cannot use helper/.test(text)) return 'no'
    if (/!read_ok|R\d |arg#|invalid|expected|sleepable|not allowed/.test(error.log ?? '')) return 'yes'
    return undefined
  } finally {
    opened.close()
  }
}

const gpl = new Set()
const callers = {}
for (const [hook, section] of Object.entries(sections)) {
  const list = []
  let unknown = 0
  for (const [number, { name }] of prototypes) {
    const answer = ask(section, name, 'Proprietary')
    if (answer === undefined) unknown++
    if (answer === 'GPL') gpl.add(number)
    if (answer === 'GPL' || answer === 'yes') list.push(number)
  }
  if (unknown > prototypes.size / 2) console.log(`${hook}: this kernel does not load ${section}`)
  else callers[hook] = list
  if (unknown > 0) console.log(`${hook}: ${unknown} unknown`)
}

/** 1 2 3 7 as '1-3 7' */
function ranges(list) {
  const found = []
  for (const one of list.sort((a, b) => a - b)) {
    const last = found.at(-1)
    if (last?.[1] === one - 1) last[1] = one
    else found.push([one, one])
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' ')
}

writeFileSync(
  join(root, 'lib/compiler/helpers/table.ts'),
  `// Written by scripts/helper-table.mjs from libbpf's list and the answers of a kernel. Do not edit.

/** Parameters and result of each helper in C, by number. */
export const prototypes: readonly string[] = [
  '',
${[...prototypes.values()].map(({ text }) => `  ${JSON.stringify(text)},`).join('\n')}
]

/** The helpers that need a license that is compatible with the GPL: numbers, and ranges of them. */
export const gplOnly = '${ranges([...gpl])}'

/**
 * The helpers that programs may call, by the hook. Linux 6.18 gave the answers; hooks that it refuses on the machine that
 * was asked are missing.
 */
export const callable: Readonly<Record<string, string>> = {
${Object.entries(callers)
  .map(([hook, list]) => `  ${hook}:\n    '${ranges(list)}',`)
  .join('\n')}
}
`,
)
