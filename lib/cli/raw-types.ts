// BTF types as they are, a line for each type and member, in bpftool's form.
import type { BtfTypes } from '../btf/parse.js'
import type { BtfType } from '../btf/types.js'
import { visible } from './command.js'

/** @param roots - only these types and what they need; by default all */
export function* rawLines(types: BtfTypes, roots?: readonly number[]): Generator<string> {
  const wanted = roots === undefined ? undefined : reachable(types, roots)
  for (const type of types) if (wanted === undefined || wanted.has(type.id)) yield `${textOf(type, types)}\n`
}

const nameOf = (name: string): string => `'${name === '' ? '(anon)' : visible(name)}'`

function textOf(type: BtfType, types: BtfTypes): string {
  const [about, ...members] = partsOf(type, types)
  const kind = type.kind.toUpperCase()
  return [`[${type.id}] ${kind} ${nameOf(type.name)} ${about}`, ...members].join('\n\t')
}

/** What follows the name, and the lines of the members. */
function partsOf(type: BtfType, types: BtfTypes): string[] {
  switch (type.kind) {
    case 'void':
      return ['']
    case 'int':
      return [
        `size=${type.size} bits_offset=${type.bitOffset} nr_bits=${type.bits} encoding=${encodingOf(type)}`,
      ]
    case 'array':
      return [`type_id=${type.typeId} index_type_id=${type.indexTypeId} nr_elems=${type.length}`]
    case 'struct':
    case 'union':
      return [
        `size=${type.size} vlen=${type.members.length}`,
        ...type.members.map(
          ({ name, typeId, bitOffset, bitfieldSize }) =>
            `${nameOf(name)} type_id=${typeId} bits_offset=${bitOffset}${bitfieldSize === 0 ? '' : ` bitfield_size=${bitfieldSize}`}`,
        ),
      ]
    case 'enum':
    case 'enum64': {
      const suffix = type.kind === 'enum' ? '' : type.signed ? 'LL' : 'ULL'
      return [
        `encoding=${type.signed ? 'SIGNED' : 'UNSIGNED'} size=${type.size} vlen=${type.values.length}`,
        ...type.values.map(({ name, value }) => `${nameOf(name)} val=${value}${suffix}`),
      ]
    }
    case 'fwd':
      return [`fwd_kind=${type.of}`]
    case 'func':
      return [`type_id=${type.typeId} linkage=${type.linkage}`]
    case 'func_proto': {
      const params = type.variadic ? [...type.params, { name: '', typeId: 0 }] : type.params
      return [
        `ret_type_id=${type.returnTypeId} vlen=${params.length}`,
        ...params.map(({ name, typeId }) => `${nameOf(name)} type_id=${typeId}`),
      ]
    }
    case 'var':
      return [`type_id=${type.typeId}, linkage=${type.linkage}`]
    case 'datasec':
      return [
        `size=${type.size} vlen=${type.variables.length}`,
        ...type.variables.map(
          ({ typeId, offset, size }) =>
            `type_id=${typeId} offset=${offset} size=${size} (VAR ${nameOf(types.type(typeId).name)})`,
        ),
      ]
    case 'float':
      return [`size=${type.size}`]
    case 'decl_tag':
      return [`type_id=${type.typeId} component_idx=${type.componentIndex}`]
    default:
      return [`type_id=${type.typeId}`]
  }
}

function encodingOf({ signed, char, bool }: { signed: boolean; char: boolean; bool: boolean }): string {
  const names = [...(signed ? ['SIGNED'] : []), ...(char ? ['CHAR'] : []), ...(bool ? ['BOOL'] : [])]
  return names.length === 1 ? names[0]! : names.length === 0 ? '(none)' : 'UNKN'
}

/** The ids of types, and of all that they refer to. */
function reachable(types: BtfTypes, roots: readonly number[]): ReadonlySet<number> {
  const found = new Set<number>()
  const waiting = [...roots]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue
    found.add(id)
    waiting.push(...referencesOf(types.type(id)))
  }
  return found
}

function referencesOf(type: BtfType): number[] {
  if (type.kind === 'struct' || type.kind === 'union') return type.members.map(({ typeId }) => typeId)
  if (type.kind === 'array') return [type.typeId, type.indexTypeId]
  if (type.kind === 'datasec') return type.variables.map(({ typeId }) => typeId)
  if (type.kind === 'func_proto') return [type.returnTypeId, ...type.params.map(({ typeId }) => typeId)]
  return 'typeId' in type ? [type.typeId] : []
}
