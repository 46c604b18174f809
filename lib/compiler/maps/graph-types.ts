// Lists and trees in the values of maps, of objects that programs allocate: list<Job>, tree<Job>.
import type { Module } from '../module.js'
import type { ast } from '../syntax.js'
import { type Contains, type StructType, structOf, type Type, u64 } from '../types.js'
import { opaqueTypes } from './opaque.js'

/** The types of the members in a map's value, and in the objects. */
const parts = {
  list: { type: 'bpf_list_head', node: 'listNode' },
  tree: { type: 'bpf_rb_root', node: 'treeNode' },
} as const

/** The type for `list<Job>`, or `list<Job, 'byAge'>` if an object can be in several lists. */
export function rootOf(module: Module, root: Contains['root'], node: ast.TSTypeReference): StructType {
  const { source } = module
  const { type, node: word } = parts[root]
  const [given, name, more] = node.typeParameters?.params ?? []
  if (given === undefined || more !== undefined)
    return source.fail(
      node,
      `a ${root} has the type of what is in it`,
      `Write ${root}<Job>, with an interface Job.`,
    )
  const struct = module.type(given)
  if (struct.kind !== 'struct' || struct.contains !== undefined)
    return source.fail(
      given,
      `a ${root} has objects of an interface`,
      `Write interface Job { link: ${word}; id: u32 }.`,
    )
  const nodes = struct.members.filter((member) => member.type === opaqueTypes[word])
  const has = (one: string): boolean => struct.members.some((member) => member.type === opaqueTypes[one])
  if (has('listNode') && has('treeNode'))
    return source.fail(
      given,
      `the kernel has an object either in lists or in trees, and ${struct.name} has members for both`,
      'Write an interface for each.',
    )
  const literal =
    name?.type === 'TSLiteralType' && name.literal.type === 'StringLiteral' ? name.literal.value : undefined
  const member =
    name === undefined && nodes.length === 1 ? nodes[0] : nodes.find((one) => one.name === literal)
  if (member === undefined)
    return source.fail(
      name ?? given,
      nodes.length === 0
        ? `${struct.name} has no member of the type ${word}, by which a ${root} could have it`
        : `a ${root} has the objects by one of their members: ${nodes.map((one) => one.name).join(', ')}`,
      nodes.length === 0
        ? `Write interface ${struct.name} { link: ${word}; ... }.`
        : `Write ${root}<${struct.name}, '${nodes[0]!.name}'>.`,
    )
  const contains = { root, struct: struct.name, member: member.name }
  return { ...structOf(type, [{ name: '__opaque', type: { kind: 'array', of: u64, length: 2 } }]), contains }
}

/** The names of the structs whose objects are in the lists and trees of a value. */
export function containedIn(type: Type | undefined): string[] {
  if (type?.kind !== 'struct') return []
  return type.contains ? [type.contains.struct] : type.members.flatMap((member) => containedIn(member.type))
}
