import type { BtfTypes } from './parse.js'
import type { BtfType } from './types.js'

/** How deep a declaration is written; what is deeper becomes `...`. */
const depthLimit = 16

/** Writes a type as C declares it, on one line: `const struct event *[4]`. */
export function cType(btf: BtfTypes, id: number): string {
  return write(btf, id, '', 0)
}

/** Writes the declaration of a variable or member: `char comm[16]`, `int (*show)(struct seq_file *)`. */
export function cDeclaration(btf: BtfTypes, id: number, name: string): string {
  return write(btf, id, name, 0)
}

/** `inner` is the part that has been written already: stars and dimensions. */
function write(btf: BtfTypes, id: number, inner: string, depth: number): string {
  if (depth > depthLimit) return '...'
  const type = btf.type(id)
  const join = (word: string) => (inner === '' ? word : `${word} ${inner}`)
  switch (type.kind) {
    case 'void':
      return join('void')
    case 'ptr':
      return write(btf, type.typeId, `*${inner}`, depth + 1)
    case 'array': {
      const item = btf.type(type.typeId)
      const own = `${inner.startsWith('*') ? `(${inner})` : inner}[${type.length || ''}]`
      return item.kind === 'array'
        ? write(btf, type.typeId, own, depth + 1)
        : write(btf, type.typeId, own, depth + 1).replace(' [', '[')
    }
    case 'const':
    case 'volatile':
    case 'restrict': {
      if (unqualified(btf, type.typeId, depth).kind === 'ptr')
        return write(btf, type.typeId, ` ${type.kind}${/^\w/.test(inner) ? ' ' : ''}${inner}`, depth + 1)
      return `${type.kind} ${write(btf, type.typeId, inner, depth + 1)}`
    }
    case 'type_tag':
      return write(btf, type.typeId, inner, depth + 1)
    case 'func_proto': {
      const params = type.params.map(({ typeId }) => write(btf, typeId, '', depth + 1))
      const all = [...params, ...(type.variadic ? ['...'] : [])].join(', ') || 'void'
      return `${write(btf, type.returnTypeId, '', depth + 1)} (${inner})(${all})`
    }
    case 'struct':
    case 'union':
    case 'enum':
    case 'enum64': {
      const word = type.kind === 'enum64' ? 'enum' : type.kind
      return join(type.name === '' ? word : `${word} ${type.name}`)
    }
    case 'fwd':
      return join(`${type.of} ${type.name}`)
    default:
      return join(type.name)
  }
}

/** Returns the type behind qualifiers. */
function unqualified(btf: BtfTypes, id: number, depth: number): BtfType {
  const type = btf.type(id)
  const isQualifier = type.kind === 'const' || type.kind === 'volatile' || type.kind === 'restrict'
  return isQualifier && depth < depthLimit ? unqualified(btf, type.typeId, depth + 1) : type
}
