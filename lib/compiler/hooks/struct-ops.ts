// Implementations of the kernel's structs of functions: structOps('tcp_congestion_ops', { ... }). Each function is a
// program.
import * as c from '../../asm/c-types.js'
import type { GlobalDefinition } from '../../asm/object-writer.js'
import type { BtfFuncProto, BtfMember, BtfStruct } from '../../btf/types.js'
import type { KernelRecord, KernelTypes } from '../kernel-types.js'
import type { Module, ModuleProgram } from '../module.js'
import { nearest } from '../nearest.js'
import type { Source } from '../source.js'
import type { ast } from '../syntax.js'
import { isOlder, type Target } from '../target.js'
import { type IntType, integerOf } from '../types.js'

/** A member as it is declared: a program, a number or text. */
interface DeclaredMember {
  readonly name: string
  readonly node: ast.Node
  readonly value: { readonly program: string } | bigint | string
}

export interface ModuleStructOps {
  readonly name: string
  /** The kernel's struct. */
  readonly struct: { readonly name: string; readonly node: ast.Node }
  readonly members: readonly DeclaredMember[]
}

type OpsFunction = ast.ArrowFunctionExpression | ast.FunctionExpression | ast.ObjectMethod

const prefix = 'bpf_struct_ops_'

/** `structOps('tcp_congestion_ops', { name: 'mine', ssthresh: (sk) => 2 })` */
export function declareStructOps(module: Module, name: string, call: ast.CallExpression): void {
  const { source } = module
  const [struct, given, more] = call.arguments
  if (struct?.type !== 'StringLiteral' || given?.type !== 'ObjectExpression' || more !== undefined)
    module.source.fail(
      call,
      'structOps needs the name of a struct of the kernel, and its members',
      "Write structOps('tcp_congestion_ops', { name: 'mine', ssthresh: (sk) => 2 }).",
    )
  const members = given.properties.map((property): DeclaredMember => {
    if (property.type === 'SpreadElement' || property.key.type !== 'Identifier' || property.computed)
      return source.fail(property, 'members are written as name: value')
    const member = property.key.name
    const given = property.type === 'ObjectMethod' ? property : property.value
    const sleeps = sleepableFunction(module, given)
    const value = sleeps ?? given
    if (value.type === 'StringLiteral') return { name: member, node: property, value: value.value }
    if (isFunction(value)) {
      const program = `${name}_${member}`
      module.expectPlain(value)
      const ops = { struct: struct.value, structNode: struct, sleeps: sleeps !== undefined }
      const target = { name: member, node: property.key }
      module.programs.push({ name: program, hook: 'structOps', target, function: value, node: property, ops })
      return { name: member, node: property, value: { program } }
    }
    const number = module.constant(value)
    if (number === undefined)
      return source.fail(
        value,
        'a member is a function, a constant number or text',
        `Write ${member}(sk) { ... }.`,
      )
    return { name: member, node: property, value: number }
  })
  module.structOps.push({ name, struct: { name: struct.value, node: struct }, members })
}

const isFunction = (node: ast.Node): node is OpsFunction =>
  ['ArrowFunctionExpression', 'FunctionExpression', 'ObjectMethod'].includes(node.type)

/** The function in `sleepable((...) => ...)`. */
function sleepableFunction({ source }: Module, node: ast.Node): OpsFunction | undefined {
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || node.callee.name !== 'sleepable')
    return undefined
  const [fn, more] = node.arguments
  if (fn !== undefined && isFunction(fn) && more === undefined) return fn
  return source.fail(
    node,
    'sleepable needs the function that may sleep',
    'Write init: sleepable((...) => 0).',
  )
}

/** The structs of functions that programs can implement. */
export function structOpsNames({ btf }: KernelTypes): string[] {
  const wrappers = [...btf.names('struct')].filter((one) => one.startsWith(prefix))
  return wrappers.map((one) => one.slice(prefix.length)).sort()
}

function structIn(kernel: KernelTypes, source: Source, { name, node }: ModuleStructOps['struct']): BtfStruct {
  const found = kernel.record(name)
  if (found?.kind === 'struct' && kernel.record(`${prefix}${name}`) !== undefined) return found
  const names = structOpsNames(kernel)
  return source.fail(
    node,
    `this kernel asks no programs through a struct '${name}'`,
    nearest(name, names) ?? `It has ${names.join(', ')}.`,
  )
}

function memberIn(
  kernel: KernelTypes,
  source: Source,
  struct: BtfStruct,
  name: string,
  node: ast.Node,
): BtfMember {
  return (
    struct.members.find((one) => one.name === name) ??
    source.fail(
      node,
      `struct ${struct.name} has no member '${name}' in this kernel`,
      nearest(name, kernel.memberNames(struct)),
    )
  )
}

/** The function that a member points to. */
export function functionBehind({ btf }: KernelTypes, typeId: number): BtfFuncProto | undefined {
  const pointer = btf.resolve(typeId)
  const to = pointer.kind === 'ptr' ? btf.resolve(pointer.typeId) : undefined
  return to?.kind === 'func_proto' ? to : undefined
}

/** What a program is called with, and what it returns. */
export function opsPrototype(
  kernel: KernelTypes,
  source: Source,
  { ops, target }: ModuleProgram,
): BtfFuncProto {
  const struct = structIn(kernel, source, { name: ops!.struct, node: ops!.structNode })
  const member = memberIn(kernel, source, struct, target!.name, target!.node)
  return (
    functionBehind(kernel, member.typeId) ??
    source.fail(target!.node, `'${target!.name}' of struct ${struct.name} is not a function`)
  )
}

/** What a program returns: a number, or a pointer to a struct; undefined for void. */
export function opsResult(
  kernel: KernelTypes,
  source: Source,
  program: ModuleProgram,
): IntType | KernelRecord | undefined {
  const type = kernel.btf.resolve(opsPrototype(kernel, source, program).returnTypeId)
  if (type.kind === 'void') return undefined
  const to = type.kind === 'ptr' ? kernel.btf.resolve(type.typeId) : undefined
  if (to?.kind === 'struct' || to?.kind === 'union') return to
  if (type.kind === 'int' || type.kind === 'enum')
    return integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool))
  return source.fail(program.target!.node, `'${program.target!.name}' returns something that programs cannot`)
}

/**
 * A parameter of a program, as the kernel's own function in its place has it: the suffix `__ref` of its name says that
 * it is a reference which the program has to release, and `__nullable` that it may be null.
 */
export function opsParameter(
  kernel: KernelTypes,
  { ops, target }: ModuleProgram,
  index: number,
): { isReference: boolean; isNullable: boolean } {
  const name = kernel.function(`${ops!.struct}__${target!.name}`)?.params[index]?.name ?? ''
  return { isReference: name.endsWith('__ref'), isNullable: name.endsWith('__nullable') }
}

/** A pointer to a pointer that the kernel shows as a struct: where a queue collects the packets that it drops. */
export function opsPointer(kernel: KernelTypes, { ops, target }: ModuleProgram, typeId: number) {
  if (ops!.struct !== 'Qdisc_ops' || target!.name !== 'enqueue') return undefined
  const type = kernel.btf.resolve(typeId)
  const isPointer = type.kind === 'ptr' && kernel.btf.resolve(type.typeId).kind === 'ptr'
  return isPointer ? kernel.record('bpf_sk_buff_ptr') : undefined
}

/** The kernel lets programs see the socket of a congestion control as the whole TCP socket that it is. */
export function opsRecord(kernel: KernelTypes, struct: string, record: KernelRecord): KernelRecord {
  const isSocket = struct === 'tcp_congestion_ops' && record.name === 'sock'
  return (isSocket && kernel.record('tcp_sock')) || record
}

/**
 * The variable that represents it in the object, with just the members that are given: libbpf finds them by their
 * names.
 */
export function opsDefinition(
  kernel: KernelTypes,
  source: Source,
  { oldestKernel }: Target,
  { struct: { name, node }, members }: ModuleStructOps,
): GlobalDefinition {
  const struct = structIn(kernel, source, { name, node })
  const placed: c.Member[] = []
  const chunks: Uint8Array[] = []
  const pointers: { offset: number; program: string }[] = []
  let at = 0
  for (const one of members) {
    const { typeId } = memberIn(kernel, source, struct, one.name, one.node)
    const prototype = functionBehind(kernel, typeId)
    const type = prototype ? c.pointer(c.prototype(c.voidType, {})) : kernel.cType(typeId)
    const size = c.sizeOf(type)
    const room = Math.ceil(size / 8) * 8
    placed.push({ name: one.name, type, bitOffset: at * 8, bitfieldSize: 0 })
    if (typeof one.value === 'object') pointers.push({ offset: at, program: one.value.program })
    chunks.push(bytesOf(source, one, type, size, room))
    at += room
  }
  const type: c.RecordType = { kind: 'struct', name, size: at, align: 8, members: placed }
  // Linux 6.4 has links for them; before that, they stay until their map is gone.
  const section =
    oldestKernel !== undefined && isOlder(oldestKernel, '6.4') ? '.struct_ops' : '.struct_ops.link'
  return { section, type, value: Uint8Array.from(chunks.flatMap((chunk) => [...chunk])), pointers }
}

function bytesOf(
  source: Source,
  { name, node, value }: DeclaredMember,
  type: c.CType,
  size: number,
  room: number,
): Uint8Array {
  const bytes = new Uint8Array(room)
  if (typeof value === 'object') return bytes
  if (typeof value === 'string') {
    const text = new TextEncoder().encode(value)
    if (type.kind !== 'array' || sizeOfElement(type) !== 1) return source.fail(node, `'${name}' is not text`)
    if (text.length >= size)
      return source.fail(node, `the text has ${text.length} bytes, and '${name}' has room for ${size - 1}`)
    bytes.set(text)
    return bytes
  }
  if (type.kind !== 'int' && type.kind !== 'enum') return source.fail(node, `'${name}' is not a number`)
  if (BigInt.asUintN(size * 8, value) !== value && BigInt.asIntN(size * 8, value) !== value)
    return source.fail(node, `${value} does not fit '${name}', which has ${size} bytes`)
  for (let i = 0, left = value; i < size; i++, left >>= 8n) bytes[i] = Number(left & 0xffn)
  return bytes
}

const sizeOfElement = (type: c.ArrayType): number => c.sizeOf(type.of)
