// The memory of a process, behind a pointer: `request.next.value` reads just that member, by the layout of an
// interface.
import type { KernelMemory } from './kernel-memory.js'
import { nearest } from './nearest.js'
import type { Located } from './source.js'
import { describe, type IntType, integers, sizeOf, type Type } from './types.js'
import type { NumberValue, PlaceValue, UserPlaceValue, Value } from './values.js'

type Pointing = NumberValue | PlaceValue | UserPlaceValue

const isPointer = (value: Value): value is Pointing =>
  (value.kind === 'number' || value.kind === 'place' || value.kind === 'user place') &&
  value.type.kind === 'int' &&
  value.type.user !== undefined

function follow(compiler: KernelMemory, value: Pointing, node: Located): UserPlaceValue {
  const { reg, type } =
    value.kind === 'user place'
      ? readUser(compiler, value, node)
      : value.kind === 'place'
        ? compiler.load(value, node)
        : value
  return { kind: 'user place', base: reg, offset: 0, type: type.user!() }
}

/** What a pointer into a process points to, if the value is such a pointer. */
export const followed = (compiler: KernelMemory, value: Value, node: Located): UserPlaceValue | undefined =>
  isPointer(value) ? follow(compiler, value, node) : undefined

/** The same, or the place itself. */
export const userPlace = (compiler: KernelMemory, value: Value, node: Located): UserPlaceValue | undefined =>
  followed(compiler, value, node) ?? (value.kind === 'user place' ? value : undefined)

/** What a value is as text: a pointer to text in a process is that text. */
export const textBehind = (compiler: KernelMemory, value: Value, node: Located): Value =>
  isPointer(value) && (value.type as IntType).user!().kind === 'chars' ? follow(compiler, value, node) : value

export function userMember(
  { source }: KernelMemory,
  place: UserPlaceValue,
  name: string,
  node: { readonly object: Located; readonly property: Located },
): UserPlaceValue {
  const { type } = place
  const text = source.text.slice(node.object.start ?? 0, node.object.end ?? 0)
  if (type.kind !== 'struct')
    return source.fail(
      node.property,
      `a ${describe(type)} has no member '${name}'`,
      type.kind === 'int' && name === 'value' ? `Write ${text}.` : undefined,
    )
  const member = type.members.find((one) => one.name === name)
  if (member !== undefined) return { ...place, offset: place.offset + member.offset, type: member.type }
  const names = type.members.map((one) => one.name)
  return source.fail(node.property, `${type.name} has no member '${name}'`, nearest(name, names))
}

/** `pointer.value`, of a pointer to a number or to another pointer; a member of anything else. */
export const behindPointer = (
  compiler: KernelMemory,
  to: UserPlaceValue,
  name: string,
  node: { readonly object: Located; readonly property: Located },
): UserPlaceValue => (to.type.kind === 'int' && name === 'value' ? to : userMember(compiler, to, name, node))

/** An element of an array or of text. */
export function userElement(
  compiler: KernelMemory,
  place: UserPlaceValue,
  index: number | NumberValue,
  node: Located,
): UserPlaceValue {
  const { type } = place
  if (type.kind !== 'array' && type.kind !== 'chars')
    return compiler.source.fail(node, `a ${describe(type)} has no elements`)
  if (typeof index === 'number' && (index < 0 || (type.length > 0 && index >= type.length)))
    return compiler.source.fail(node, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
  return userAt(compiler, place, type.kind === 'chars' ? integers.u8! : type.of, index, node)
}

/** One of several values that follow each other. There are no bounds: what cannot be read is 0. */
export function userAt(
  compiler: KernelMemory,
  place: UserPlaceValue,
  type: Type,
  index: number | NumberValue,
  node: Located,
): UserPlaceValue {
  const size = sizeOf(type)
  if (size === 0) return compiler.source.fail(node, `a ${describe(type)} has no size`)
  if (typeof index === 'number') return { ...place, offset: place.offset + index * size, type }
  const wide = compiler.inReg(
    compiler.convert(index, index.type.signed ? integers.s64! : integers.u64!, node),
  )
  const [scaled, base] = [compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'alu', operation: 'mul', bits: 64, d: scaled, a: wide, b: { imm: size } })
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: base, a: place.base, b: { reg: scaled } })
  return { ...place, base, type }
}

export const userAddress = (compiler: KernelMemory, { base, offset }: UserPlaceValue): number =>
  compiler.addressReg({ base, offset })

/** Reads a number. */
export function readUser(compiler: KernelMemory, place: UserPlaceValue, node: Located): NumberValue {
  const { type } = place
  if (type.kind !== 'int')
    return compiler.source.fail(
      node,
      `a ${describe(type)} of a process cannot be used as a number`,
      type.kind === 'chars' ? "Text is compared with a literal: name === 'a'." : undefined,
    )
  return compiler.asLoaded(compiler.probe('probe_read_user', type.size, userAddress(compiler, place)), type)
}

/** Copies a struct, an array or a number. What cannot be read is zeros. */
export function copyUser(
  compiler: KernelMemory,
  to: PlaceValue,
  from: UserPlaceValue,
  node: Located,
): PlaceValue {
  const into = to.inArena ? compiler.local(to.type, node) : to
  const args = [compiler.address(into), { imm: sizeOf(from.type) }, { reg: userAddress(compiler, from) }]
  compiler.call('probe_read_user', args)
  if (into !== to) compiler.copy(to, into)
  return to
}
