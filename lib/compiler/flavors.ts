// Structs of the kernel that a program declares itself: `flavor<task_struct___old>(task).state` reads a member that
// this kernel does not have.
import type { CoreRelocation } from '../asm/instruction.js'
import type { Builder } from './builder.js'
import type { Reg } from './ir.js'
import { nearest } from './nearest.js'
import type { Located } from './source.js'
import { cTypeOf, type StructType, sizeOf } from './types.js'
import type { FlavorPlaceValue, KernelPointerValue, NumberValue } from './values.js'

export const isFlavor = ({ name }: StructType): boolean => name.includes('___')

export const flavorOf = (pointer: KernelPointerValue, root: StructType): FlavorPlaceValue => ({
  kind: 'flavor place',
  pointer,
  root,
  steps: [0],
  offset: 0,
  type: root,
})

export function flavorMember(
  { source }: Builder,
  place: FlavorPlaceValue,
  name: string,
  node: Located,
): FlavorPlaceValue {
  const { type } = place
  const members = type.kind === 'struct' ? type.members : []
  const index = members.findIndex((one) => one.name === name)
  const member = members[index]
  if (member === undefined) {
    const names = members.map((one) => one.name)
    return source.fail(node, `'${place.root.name}' has no member '${name}'`, nearest(name, names))
  }
  const offset = place.offset + member.offset
  return { ...place, steps: [...place.steps, index], offset, type: member.type }
}

export function flavorElement(
  { source }: Builder,
  place: FlavorPlaceValue,
  index: bigint | undefined,
  node: Located,
): FlavorPlaceValue {
  const { type } = place
  if (type.kind !== 'array') return source.fail(node, 'this is not an array')
  if (index === undefined)
    return source.fail(node, 'the index into an array of the kernel has to be a constant')
  if (index < 0n || index >= BigInt(type.length))
    return source.fail(node, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
  const offset = place.offset + Number(index) * sizeOf(type.of)
  return { ...place, steps: [...place.steps, Number(index)], offset, type: type.of }
}

/** What libbpf looks for. Kinds are those of `enum bpf_core_relo_kind`. */
export const flavorCore = (
  { root, steps }: FlavorPlaceValue,
  kind: 'offset' | 'size' | 'exists',
): CoreRelocation => ({
  type: cTypeOf(root),
  access: steps.join(':'),
  kind: { offset: 0, size: 1, exists: 2 }[kind],
})

export function flavorAddress(compiler: Builder, place: FlavorPlaceValue): Reg {
  const d = compiler.newReg()
  const core = flavorCore(place, 'offset')
  const a = place.pointer.reg
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d, a, b: { imm: place.offset }, core })
  return d
}

/** Reads a number. */
export function readFlavor(compiler: Builder, place: FlavorPlaceValue, node: Located): NumberValue {
  const { type, pointer, offset } = place
  if (type.kind !== 'int') return compiler.source.fail(node, 'this has to be read member by member')
  if (!pointer.trusted)
    return compiler.asLoaded(
      compiler.probe('probe_read_kernel', type.size, flavorAddress(compiler, place)),
      type,
    )
  const d = compiler.newReg()
  compiler.push({
    op: 'load',
    d,
    base: pointer.reg,
    offset,
    size: type.size,
    core: flavorCore(place, 'offset'),
  })
  return compiler.asLoaded(d, type)
}
