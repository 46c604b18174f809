// Dynptrs: memory whose size the kernel checks when the program runs. Records of a ring buffer with any length, parts
// of map values, packets.
import { contextMember } from './contexts.js'
import type { ExpressionCompiler } from './expressions.js'
import type { Argument } from './ir.js'
import { callNamed } from './kfuncs.js'
import { asInt, filled, isZero } from './maps/memory.js'
import { nearest } from './nearest.js'
import { own } from './own.js'
import { packetChanged, offsetOf as packetOffset, typeOf as packetType } from './packets.js'
import type { ast } from './syntax.js'
import { bool, integerOf, sizeOf, type Type, u32 } from './types.js'
import type { ContextValue, DynptrValue, PlaceValue, Scope, Value } from './values.js'

/** A call of one of a dynptr's functions. */
interface DynptrCall {
  readonly compiler: ExpressionCompiler
  readonly dynptr: DynptrValue
  readonly args: readonly ast.Expression[]
  readonly node: ast.CallExpression
  readonly scope: Scope
}

interface DynptrFunction {
  readonly least: number
  readonly most: number
  readonly call: (call: DynptrCall) => Value
}

const functions: Readonly<Record<string, DynptrFunction>> = {
  read: { least: 1, most: 3, call: read },
  write: { least: 2, most: 3, call: write },
  data: { least: 1, most: 1, call: data },
  slice: { least: 1, most: 1, call: (call) => slice(call, false) },
  sliceRdwr: { least: 1, most: 1, call: (call) => slice(call, true) },
  size: { least: 0, most: 0, call: (call) => asked(call, 'bpf_dynptr_size', u32) },
  isNull: { least: 0, most: 0, call: (call) => asked(call, 'bpf_dynptr_is_null', bool) },
  isRdonly: { least: 0, most: 0, call: (call) => asked(call, 'bpf_dynptr_is_rdonly', bool) },
  adjust: { least: 2, most: 2, call: adjust },
  clone: { least: 0, most: 0, call: clone },
}

export function dynptrMethods(
  compiler: ExpressionCompiler,
  dynptr: DynptrValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { object, property } = node.callee as ast.MemberExpression
  const found = own(functions, name)
  if (found === undefined) {
    const names = Object.keys(functions)
    const hint = nearest(name, names) ?? `It has ${names.join(', ')}.`
    return compiler.source.fail(property, `a dynptr has no function '${name}'`, hint)
  }
  const args = node.arguments as ast.Expression[]
  const { least, most } = found
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`
    return compiler.source.fail(node, `${name} has ${wanted} arguments, and ${args.length} are given`)
  }
  compiler.expectUsable(dynptr, object, scope)
  return found.call({ compiler, dynptr, args, node, scope })
}

// ---- Where they come from

/** `packet.dynptr()` */
export function packetDynptr(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  node: ast.CallExpression,
): DynptrValue {
  const { property } = node.callee as ast.MemberExpression
  const { name } = packet.record
  const isSeen = /^(__sk_buff|xdp_md|bpf_nf_ctx)$/.test(name) && compiler.program.hook !== 'flowDissector'
  if (!isSeen)
    return compiler.source.fail(property, `${compiler.program.hook} programs have no dynptr for the packet`)
  const frame = compiler.newDynptr()
  from(compiler, packet, { frame }, node)
  return { kind: 'dynptr', frame, of: 'packet' }
}

/** Makes a dynptr of the packet. */
function from(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  dynptr: Argument,
  node: ast.CallExpression,
): void {
  const { property } = node.callee as ast.MemberExpression
  const isFrame = packet.record.name === 'xdp_md'
  let { reg } = packet
  if (packet.record.name === 'bpf_nf_ctx') {
    const skb = contextMember(compiler, packet, 'skb', node.callee as ast.MemberExpression)
    if (skb.kind !== 'kernel pointer') compiler.source.fail(node, 'this context has no packet')
    reg = skb.reg
  }
  const name = isFrame ? 'bpf_dynptr_from_xdp' : 'bpf_dynptr_from_skb'
  callNamed(compiler, name, property, [{ reg }, { imm: 0 }, dynptr])
}

// ---- Copies

function isPacket({ of }: DynptrValue): boolean {
  return of === 'packet'
}

/**
 * `read<T>(offset)`: a copy on the stack, or null. `read(offset, into, length)`: copies into memory, and returns
 * whether that many bytes were there.
 */
function read(call: DynptrCall): Value {
  const { compiler, dynptr, args, node, scope } = call
  const from: Argument = { frame: dynptr.frame }
  if (args.length > 1) {
    const place = compiler.place(args[1]!, scope)
    if (place.readonly !== undefined) compiler.source.fail(args[1]!, place.readonly)
    const own = [compiler.address(place, args[1]!), lengthOf(call, place), from, offsetOf(call), { imm: 0 }]
    return isZero(compiler, compiler.call('dynptr_read', own))
  }
  return copyOf(compiler, typeOf(call, 'read'), from, offsetOf(call), node)
}

/** A copy on the stack of what a dynptr has at an offset, or null. */
function copyOf(
  compiler: ExpressionCompiler,
  type: Type,
  dynptr: Argument,
  offset: Argument,
  node: ast.Node,
): Value {
  const size = sizeOf(type)
  return filled(compiler, type, node, (place) => {
    // Without CAP_PERFMON, a program cannot pass memory to a helper that it has not written to before.
    if ('frame' in place) compiler.clear('frame', place.frame, size)
    return compiler.call('dynptr_read', [place, { imm: size }, dynptr, offset, { imm: 0 }])
  })
}

/** Returns whether there was room for it. */
function write(call: DynptrCall): Value {
  const { compiler, dynptr, args, node, scope } = call
  const what = args[1]!
  const given = typeGiven(call)
  let place: PlaceValue
  if (given === undefined) {
    if (what.type === 'ObjectExpression' || /Literal$/.test(what.type))
      compiler.source.fail(
        what,
        'write needs the type of what it writes, or something in memory',
        'Write dynptr.write<Header>(0, { ... }), or dynptr.write<u32>(0, 1).',
      )
    place = compiler.outsideArena(compiler.place(what, scope), what)
  } else {
    place = compiler.local(given, node)
    compiler.assignTo(place, what, scope)
  }
  if (place.inPacket !== undefined) {
    // The helper does not read packets.
    place = compiler.local(place.type, node)
    compiler.assignTo(place, what, scope)
  }
  const own = [{ frame: dynptr.frame }, offsetOf(call), compiler.address(place), lengthOf(call, place)]
  const result = compiler.call('dynptr_write', [...own, { imm: 0 }])
  if (isPacket(dynptr)) packetChanged(scope)
  return isZero(compiler, result)
}

/** How many bytes of a place are copied: all, or as many as the third argument says, if the place has them. */
function lengthOf({ compiler, args, scope }: DynptrCall, place: PlaceValue): Argument {
  const size = sizeOf(place.type)
  const given = args[2]
  if (given === undefined) return { imm: size }
  const number = compiler.convert(compiler.numeric(given, scope), u32, given, true)
  if (number.kind === 'constant') {
    if (number.value > BigInt(size))
      compiler.source.fail(given, `this has ${size} bytes, and ${number.value} are wanted`)
    return { imm: Number(number.value) }
  }
  const [reg, done] = [compiler.newReg(), compiler.newLabel()]
  compiler.push({ op: 'move', d: reg, s: number.reg, bits: 32 })
  compiler.push({ op: 'branch', comparison: 'le', bits: 32, a: reg, b: { imm: size }, to: done })
  compiler.push({ op: 'const', d: reg, value: BigInt(size) })
  compiler.label(done)
  return { reg }
}

function offsetOf({ compiler, args, scope }: DynptrCall): Argument {
  const [offset] = args
  return { reg: compiler.inU32(offset!, scope) }
}

function typeGiven({ compiler, node }: DynptrCall): Type | undefined {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  return given && compiler.module.type(given)
}

function typeOf(call: DynptrCall, name: string): Type {
  const { compiler, node } = call
  return (
    typeGiven(call) ??
    compiler.source.fail(node, `${name} needs the type of what it reads`, `Write dynptr.${name}<Header>(0).`)
  )
}

// ---- In place

/** A struct in a record or in the value of a map, or null if that ends before the struct does. */
function data(call: DynptrCall): Value {
  const { compiler, dynptr, node } = call
  if (isPacket(dynptr))
    return compiler.source.fail(
      (node.callee as ast.MemberExpression).property,
      'a packet may stand in several pieces of memory, so it has no data',
      'Write dynptr.slice<Header>(0).',
    )
  const type = typeOf(call, 'data')
  const reg = compiler.call('dynptr_data', [{ frame: dynptr.frame }, offsetOf(call), { imm: sizeOf(type) }])
  return { kind: 'pointer', reg, type, shared: dynptr.of === 'memory', within: dynptr }
}

/** A struct in place, or a copy of it where a packet does not have it in one piece of memory. */
function slice(call: DynptrCall, writes: boolean): Value {
  const { compiler, dynptr, node } = call
  const { property } = node.callee as ast.MemberExpression
  const { hook } = compiler.program
  if (writes && isPacket(dynptr) && !/^(xdp|tc|netkit|skSkb|lwtXmit)/.test(hook))
    return compiler.source.fail(
      property,
      `${hook} programs cannot write to the packet`,
      'Write slice<T>(offset).',
    )
  const type = typeOf(call, writes ? 'sliceRdwr' : 'slice')
  const name = writes ? 'bpf_dynptr_slice_rdwr' : 'bpf_dynptr_slice'
  const size = sizeOf(type)
  const offset = offsetOf(call)
  let buffer: Argument = { imm: 0 }
  if (isPacket(dynptr)) {
    const place = compiler.local(type, node)
    compiler.clear('frame', place.offset, size)
    buffer = { frame: place.offset }
  }
  const own = [{ frame: dynptr.frame }, offset, buffer, { imm: size }]
  const reg = callNamed(compiler, name, property, own)
  return {
    kind: 'pointer',
    reg,
    type,
    shared: false,
    within: dynptr,
    ...(!writes && { readonly: 'a slice can only be read: sliceRdwr gives one that can be written' }),
  }
}

// ---- What is known about them

function asked({ compiler, dynptr, node }: DynptrCall, name: string, type: typeof u32): Value {
  const { property } = node.callee as ast.MemberExpression
  const reg = callNamed(compiler, name, property, [{ frame: dynptr.frame }])
  // The bits above those of a smaller result mean nothing.
  const own = compiler.convert(
    { kind: 'number', reg, type: integerOf(8, false) },
    integerOf(type.size, false),
    node,
    true,
  )
  return { ...own, type }
}

/** Returns 0 or a negative error. */
function adjust({ compiler, dynptr, args, node, scope }: DynptrCall): Value {
  const { property } = node.callee as ast.MemberExpression
  const edges = args.map((one): Argument => ({ reg: compiler.inU32(one, scope) }))
  return asInt(
    compiler,
    callNamed(compiler, 'bpf_dynptr_adjust', property, [{ frame: dynptr.frame }, ...edges]),
  )
}

/** Another dynptr for the same memory. It becomes invalid with the record. */
function clone({ compiler, dynptr, node }: DynptrCall): Value {
  const { property } = node.callee as ast.MemberExpression
  const frame = compiler.newDynptr()
  callNamed(compiler, 'bpf_dynptr_clone', property, [{ frame: dynptr.frame }, { frame }])
  return { kind: 'dynptr', frame, of: dynptr.of, within: dynptr }
}

// ---- Packets of netfilter programs

/** Whether a context has a packet that is read through a dynptr. */
export const hasDynptr = ({ record }: ContextValue): boolean => record.name === 'bpf_nf_ctx'

/**
 * `ctx.load<Ipv4>(0)`: a copy of a part of the packet, or null if the packet ends before. The packet begins with its IP
 * header.
 */
export function filterMethods(
  compiler: ExpressionCompiler,
  context: ContextValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  if (name === 'dynptr') return packetDynptr(compiler, context, node)
  if (name !== 'load')
    return compiler.source.fail(
      (node.callee as ast.MemberExpression).property,
      `a netfilter program has no function '${name}' for the packet`,
      'Copy from it: ctx.load<Ipv4>(0). It begins with the IP header.',
    )
  const type = packetType(compiler, node, 'ctx.load<Ipv4>(0)')
  const offset = packetOffset(compiler, node.arguments[0] as ast.Expression | undefined, node, scope)
  const dynptr = { frame: compiler.dynptrSlot() }
  from(compiler, context, dynptr, node)
  return copyOf(compiler, type, dynptr, offset, node)
}
