/**
 * Names from C become parts of a program. An object file may contain any name, so nothing here trusts a name to be an
 * identifier.
 */

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u

/** Makes the name of a type: `task_info` becomes `TaskInfo`. */
export function pascal(name: string): string {
  const words = name.split(/[^\p{ID_Continue}]+|_+/u).filter((word) => word !== '')
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return identifier.test(joined) ? joined : `_${joined}`
}

/**
 * Writes a member's name for an interface, class or object literal. `constructor` needs quotes, because it has a
 * meaning in a class.
 */
export function property(name: string): string {
  return identifier.test(name) && name !== 'constructor' ? name : JSON.stringify(name)
}

/** Writes a string literal, with single quotes if possible. */
export function literal(text: string): string {
  const json = JSON.stringify(text)
  return /['\\]/.test(json) || text.includes('"') ? json : `'${text}'`
}

/** Makes text safe for a comment: it cannot end the comment. */
export function inComment(text: string): string {
  return text.replace(/\s+/gu, ' ').replaceAll('*/', '*\\/').trim()
}

/** Writes a doc comment; nothing if there are no lines. */
export function doc(lines: readonly string[], indent = ''): string {
  const safe = lines.map(inComment).filter((line) => line !== '')
  if (safe.length === 0) return ''
  if (safe.length === 1) return `${indent}/** ${safe[0]} */\n`
  return `${indent}/**\n${safe.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`
}

/** Names that generated code uses, which a type must not hide, and words that cannot name a type. */
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

/** Hands out each name only once. */
export class Names {
  readonly #taken: Set<string>

  /** @param taken - names that are never handed out */
  constructor(taken: Iterable<string> = reserved) {
    this.#taken = new Set(taken)
  }

  /** Returns the first of these names that is free, otherwise the last one with a number. */
  take(...wanted: [string, ...string[]]): string {
    const last = wanted.at(-1)!
    let name = wanted.find((one) => !this.#taken.has(one)) ?? last
    for (let i = 2; this.#taken.has(name); i++) name = `${last}${i}`
    this.#taken.add(name)
    return name
  }
}
