// The arena: memory that programs and a process share. Programs follow its pointers without helpers, and the verifier
// knows no bounds there: where there is no page, a program reads 0 and writes nothing.
import type { Reg } from '../ir.js'
import type { KernelMemory } from '../kernel-memory.js'
import type { MemberCompiler } from '../members.js'
import type { Module, ModuleMap } from '../module.js'
import type { Located } from '../source.js'
import type { ast } from '../syntax.js'
import { describe, endsOpen, has, onlyRecords, type PtrType, sizeOf, type Type, u64 } from '../types.js'
import {
  describeValue,
  type NumberValue,
  type PlaceValue,
  type PointerState,
  type PointerValue,
  type Scope,
} from '../values.js'
import { isOpaque } from './opaque.js'

/** The smallest that pages are. Where they are larger, an arena has more memory than it needs. */
export const pageSize = 4096

/** The number of pages that 32-bit pointers reach. */
export const mostPages = 2 ** 32 / pageSize

export const pagesOf = (type: Type): number => Math.ceil(sizeOf(type) / pageSize)

/** The name of the variable in the object that is the struct of an arena. */
export const rootOf = ({ name }: ModuleMap): string => `${name}_root`

/** Why there cannot be pointers into the arena elsewhere. */
export const onlyInArena = 'a ptr has to be in the memory of an arena, or in a variable of a function'

/** Refuses a type whose values cannot be in the arena. */
export function expectShared(module: Module, type: Type, node: ast.Node): void {
  if (endsOpen(type)) module.source.fail(node, onlyRecords(type))
  if (!has(type, isOpaque)) return
  module.source.fail(
    node,
    'timers, locks and kptrs belong to the kernel, which keeps them in the values of maps only',
    'An arena has numbers, text, arrays, structs, and ptr<T> to others of its structs.',
  )
}

/** The struct of an arena, which is a variable of the object. */
export function rootPlace(compiler: KernelMemory, map: ModuleMap, node: Located): PlaceValue {
  expectArenas(compiler, node)
  const address = compiler.newReg()
  compiler.push({ op: 'symbol', d: address, kind: 'data', name: rootOf(map) })
  return {
    kind: 'place',
    base: cast(compiler, address, 'kernel'),
    offset: 0,
    type: map.value!,
    shared: true,
    inArena: true,
  }
}

/** Loads a pointer from memory. */
export function loadPointer(
  compiler: KernelMemory,
  from: PlaceValue,
  type: PtrType,
  node: ast.Node,
): PointerValue {
  expectOne(compiler, type, node)
  const to = type.to()
  expectShared(compiler.module, to, node)
  const address = compiler.newReg()
  compiler.push({ op: 'load', d: address, base: from.base, offset: from.offset, size: type.size })
  const reg = cast(compiler, address, 'kernel')
  return { kind: 'pointer', reg, type: to, shared: true, inArena: true, from }
}

/** What is stored for a pointer: the address in the process that it points to. */
export function storedPointer(
  compiler: MemberCompiler,
  type: PtrType,
  node: ast.Expression,
  scope: Scope,
): { reg: Reg } | { imm: 0 } {
  expectOne(compiler, type, node)
  const { reg } = pointerTo(compiler, type.to(), node, scope)
  return reg === undefined ? { imm: 0 } : { reg: cast(compiler, reg, 'process') }
}

/** A pointer that is assigned, which needs no register if it is null, and what is known about it. */
export function pointerTo(
  compiler: MemberCompiler,
  to: Type,
  node: ast.Expression,
  scope: Scope,
): { reg: Reg | undefined; state: PointerState } {
  if (node.type === 'NullLiteral' || (node.type === 'Identifier' && node.name === 'undefined'))
    return { reg: undefined, state: 'absent' }
  const name = `ptr<${describe(to)}>`
  const isNew = node.type === 'ObjectExpression' || node.type === 'ArrayExpression'
  const value = isNew ? undefined : compiler.expression(node, scope)
  const isPointer = value?.kind === 'pointer' || value?.kind === 'place'
  if (!isPointer || !value.inArena)
    return compiler.source.fail(
      node,
      `a ${name} points into the arena, and this ${value ? `is ${describeValue(value)}` : 'has no place there'}`,
      isPointer || isNew
        ? 'Write it to a place in the arena, and point there.'
        : 'Numbers, such as an address of the kernel, are kept in a u64.',
    )
  if (describe(value.type) !== describe(to))
    return compiler.source.fail(
      node,
      `a ${name} is wanted here, and this points to a ${describe(value.type)}`,
    )
  if (value.kind === 'place') return { reg: compiler.addressReg(value), state: 'present' }
  const state = node.type === 'Identifier' ? scope.get(node.name)?.state : undefined
  if (state === 'given back') compiler.expectPresent(node, scope)
  return { reg: value.reg, state: state ?? 'maybe' }
}

/** A variable that can point to one value of the arena after another. */
export function pointerVariable(
  compiler: MemberCompiler,
  to: Type,
  node: ast.Expression,
  scope: Scope,
): { value: PointerValue; state: PointerState } {
  const value = { kind: 'pointer', reg: compiler.newReg(), type: to, shared: true, inArena: true } as const
  return { value, state: setPointer(compiler, value, node, scope) }
}

/** Makes a variable point to something else, and returns what is known about it afterwards. */
export function setPointer(
  compiler: MemberCompiler,
  { reg: d, type }: PointerValue,
  node: ast.Expression,
  scope: Scope,
): PointerState {
  const { reg, state } = pointerTo(compiler, type, node, scope)
  if (reg === undefined) {
    // Null is cast as well: the verifier wants one kind of value in a register, whichever path control has taken.
    const none = compiler.newReg()
    compiler.push({ op: 'const', d: none, value: 0n })
    compiler.push({ op: 'cast', d, s: none, to: 'kernel' })
  } else compiler.push({ op: 'move', d, s: reg, bits: 64 })
  return state
}

/** Where in the process a pointer points to, as a number. */
export const addressInProcess = (compiler: KernelMemory, { reg }: PointerValue): NumberValue => ({
  kind: 'number',
  reg: cast(compiler, reg, 'process'),
  type: u64,
})

export function cast(compiler: KernelMemory, s: Reg, to: 'kernel' | 'process'): Reg {
  const d = compiler.newReg()
  compiler.push({ op: 'cast', d, s, to })
  return d
}

function expectArenas(compiler: KernelMemory, node: Located): void {
  const isArm = compiler.target.architecture === 'arm64'
  compiler.expectKernel(isArm ? '6.10' : '6.9', node, isArm ? 'an arena on arm64' : 'an arena')
}

function expectOne(compiler: KernelMemory, type: PtrType, node: ast.Node): void {
  expectArenas(compiler, node)
  if ([...compiler.module.maps.values()].some(({ kind }) => kind === 'arena')) return
  compiler.source.fail(
    node,
    `the file has no arena that a ${type.name} could point into`,
    'Declare one: export const shared = arena<Shared>(16).',
  )
}
