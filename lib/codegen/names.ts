/**
 * Names from C, or from whoever made the object file: they become parts of a program, so nothing here trusts them to be identifiers.
 */

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u

/** A type's name: `task_info` becomes `TaskInfo`. */
export function pascal(name: string): string {
  const words = name.split(/[^\p{ID_Continue}]+|_+/u).filter((word) => word !== '')
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return identifier.test(joined) ? joined : `_${joined}`
}

/** A member's name as it stands in an interface, a class or an object literal. `constructor` means something else there when it isn't quoted. */
export function property(name: string): string {
  return identifier.test(name) && name !== 'constructor' ? name : JSON.stringify(name)
}

/** A string literal in the style of the rest. */
export function literal(text: string): string {
  const json = JSON.stringify(text)
  return /['\\]/.test(json) || text.includes('"') ? json : `'${text}'`
}

/** Text that can't end the comment that it stands in. */
export function inComment(text: string): string {
  return text.replace(/\s+/gu, ' ').replaceAll('*/', '*\\/').trim()
}

/** A doc comment at some depth; nothing for no lines. */
export function doc(lines: readonly string[], indent = ''): string {
  const safe = lines.map(inComment).filter((line) => line !== '')
  if (safe.length === 0) return ''
  if (safe.length === 1) return `${indent}/** ${safe[0]} */\n`
  return `${indent}/**\n${safe.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`
}

/** What generated code refers to: a type of that name would hide it. Also words that can't name a type. */
const reserved = [
  ...[
    'Array',
    'ArrayBuffer',
    'BigInt',
    'Boolean',
    'Buffer',
    'DataView',
    'Error',
    'Exclude',
    'Extract',
    'Function',
  ],
  ...[
    'Map',
    'Number',
    'Object',
    'Omit',
    'Promise',
    'Readonly',
    'Record',
    'Set',
    'String',
    'Symbol',
    'Uint8Array',
    'URL',
  ],
  ...[
    'BpfMap',
    'Codec',
    'EventReader',
    'EventReaderOptions',
    'Frame',
    'PerfBuffer',
    'PerfBufferOptions',
    'Program',
  ],
  ...['RingBuffer', 'RingBufferOptions', 'UserRingBuffer', 'Infinity', 'NaN'],
]

/** Names that are given once. */
export class Names {
  readonly #taken = new Set(reserved)

  /** The first of the names that is free, or the last with a number. */
  take(...wanted: [string, ...string[]]): string {
    const last = wanted.at(-1)!
    let name = wanted.find((one) => !this.#taken.has(one)) ?? last
    for (let i = 2; this.#taken.has(name); i++) name = `${last}${i}`
    this.#taken.add(name)
    return name
  }
}
