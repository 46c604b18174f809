// The packet of a program that sees packets: reads with the bounds checked, copies, a cursor.
import type { HelperName } from '../asm/helper-names.js'
import type { ExpressionCompiler } from './expressions.js'
import { onlyReads } from './hooks/kinds.js'
import type { Operand, Reg } from './ir.js'
import { nearest } from './nearest.js'
import { edge } from './packet-edges.js'
import type { ast } from './syntax.js'
import { s64, sizeOf, type Type } from './types.js'
import type { ContextValue, CursorValue, PointerValue, Scope, Value } from './values.js'

/** The verifier does not accept offsets in a packet beyond this. */
const mostOffset = 0x7fff

const ofPackets = ['read', 'load', 'store', 'cursor', 'dynptr']
const ofCursors = ['next', 'peek', 'skip']

export function packetMethods(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const [first, second] = node.arguments as readonly ast.Expression[]
  const type = () => typeOf(compiler, node, `packet.${name}<Ethernet>(0)`)
  const offset = () => offsetOf(compiler, first, node, scope)
  switch (name) {
    case 'read':
      return read(compiler, packet, type(), offset(), node)
    case 'load':
      return load(compiler, packet, type(), offset(), node)
    case 'store':
      return store(compiler, packet, offset(), second, node, scope)
    case 'cursor':
      return { kind: 'cursor', packet, offset: copied(compiler, first === undefined ? { imm: 0 } : offset()) }
  }
  return compiler.source.fail(
    (node.callee as ast.MemberExpression).property,
    `the packet has no function '${name}'`,
    nearest(name, ofPackets) ?? `It has ${ofPackets.join(', ')}.`,
  )
}

export function cursorMethods(
  compiler: ExpressionCompiler,
  { packet, offset }: CursorValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const move = (b: Operand): void =>
    compiler.push({ op: 'alu', operation: 'add', bits: 32, d: offset, a: offset, b })
  switch (name) {
    case 'next':
    case 'peek': {
      const type = typeOf(compiler, node, `cursor.${name}<Ethernet>()`)
      const pointer = read(compiler, packet, type, { reg: copied(compiler, { reg: offset }) }, node)
      if (name === 'next') move({ imm: sizeOf(type) })
      return pointer
    }
    case 'skip': {
      const [bytes] = node.arguments as readonly ast.Expression[]
      if (bytes === undefined) compiler.source.fail(node, 'skip needs the number of bytes')
      move({ reg: compiler.inU32(bytes, scope) })
      return { kind: 'void' }
    }
  }
  return compiler.source.fail(
    (node.callee as ast.MemberExpression).property,
    `a cursor has no function '${name}'`,
    nearest(name, ofCursors) ?? `It has ${ofCursors.join(', ')}.`,
  )
}

/** A register of its own with the value. */
function copied(compiler: ExpressionCompiler, from: Operand): Reg {
  const d = compiler.newReg()
  if ('reg' in from) compiler.push({ op: 'move', d, s: from.reg, bits: 64 })
  else compiler.push({ op: 'const', d, value: BigInt(from.imm) })
  return d
}

export function typeOf(compiler: ExpressionCompiler, node: ast.CallExpression, example: string): Type {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  if (given === undefined)
    compiler.source.fail(node, 'this needs the type of what it reads', `Write ${example}.`)
  return compiler.module.type(given)
}

/** A constant offset, or a register with one. */
export function offsetOf(
  compiler: ExpressionCompiler,
  node: ast.Expression | undefined,
  call: ast.Node,
  scope: Scope,
): Operand {
  if (node === undefined) {
    return compiler.source.fail(
      call,
      'this needs the offset in the packet',
      'Write packet.read<Ethernet>(0).',
    )
  }
  const constant = compiler.module.constant(node)
  if (constant === undefined) return { reg: compiler.inU32(node, scope) }
  if (constant < 0n || constant > BigInt(mostOffset))
    compiler.source.fail(node, `an offset in a packet is 0 to ${mostOffset}`)
  return { imm: Number(constant) }
}

/** A pointer into the packet, or null if the packet ends before the struct does. */
function read(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  type: Type,
  offset: Operand,
  node: ast.CallExpression,
): PointerValue {
  if (compiler.program.hook === 'socketFilter') {
    compiler.source.fail(
      node,
      'socket filters cannot read the packet in place',
      'Copy from it: packet.load<Ethernet>(0).',
    )
  }
  const [pointer, behind, reg] = [compiler.newReg(), compiler.newReg(), compiler.newReg()]
  const [outside, done] = [compiler.newLabel(), compiler.newLabel()]
  const [data, end] = [edge(compiler, packet, 'data'), edge(compiler, packet, 'end')]
  if ('reg' in offset) limit(compiler, offset.reg, outside)
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: pointer, a: data, b: offset })
  const b = { imm: sizeOf(type) }
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: behind, a: pointer, b, isEdge: true })
  compiler.push({ op: 'branch', comparison: 'gt', bits: 64, a: behind, b: { reg: end }, to: outside })
  compiler.push({ op: 'move', d: reg, s: pointer, bits: 64, isPresent: true })
  compiler.jump(done)
  compiler.label(outside)
  compiler.push({ op: 'const', d: reg, value: 0n })
  compiler.label(done)
  const { hook } = compiler.program
  const readonly = `${hook} programs can only read packets`
  return { kind: 'pointer', reg, type, shared: false, inPacket: packet, ...(onlyReads(hook) && { readonly }) }
}

function limit(compiler: ExpressionCompiler, offset: Reg, outside: string): void {
  compiler.push({ op: 'branch', comparison: 'gt', bits: 64, a: offset, b: { imm: mostOffset }, to: outside })
}

/** The helpers that copy from a packet and to it. */
function copying(packet: ContextValue): { load: HelperName; store: HelperName } {
  return packet.record.name === 'xdp_md'
    ? { load: 'xdp_load_bytes', store: 'xdp_store_bytes' }
    : { load: 'skb_load_bytes', store: 'skb_store_bytes' }
}

/** A copy of a part of the packet, or null if the packet ends before. It may be in memory that read does not reach. */
function load(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  type: Type,
  offset: Operand,
  node: ast.CallExpression,
): PointerValue {
  expectCopies(compiler, packet, node)
  const size = sizeOf(type)
  const place = compiler.local(type, node)
  compiler.clear(place.base, place.offset, size)
  const helper = copying(packet).load
  const result = compiler.call(helper, [{ reg: packet.reg }, offset, compiler.address(place), { imm: size }])
  const reg = compiler.newReg()
  const done = compiler.newLabel()
  compiler.push({ op: 'const', d: reg, value: 0n })
  compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: result, b: { imm: 0 }, to: done })
  compiler.push({ op: 'frame', d: reg, offset: place.offset })
  compiler.label(done)
  return { kind: 'pointer', reg, type, shared: false }
}

/** Writes into the packet, wherever it is in memory. Returns 0, or a negative error. */
function store(
  compiler: ExpressionCompiler,
  packet: ContextValue,
  offset: Operand,
  what: ast.Expression | undefined,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  expectCopies(compiler, packet, node)
  if (what === undefined)
    return compiler.source.fail(
      node,
      'store needs an offset and what to write',
      'Write packet.store(0, header).',
    )
  const place = compiler.outsideArena(compiler.place(what, scope), what)
  const flags = packet.record.name === 'xdp_md' ? [] : [{ imm: 0 }]
  const own = [{ reg: packet.reg }, offset, compiler.address(place), { imm: sizeOf(place.type) }, ...flags]
  const reg = compiler.call(copying(packet).store, own)
  packetChanged(scope)
  return { kind: 'number', reg, type: s64 }
}

function expectCopies({ source }: ExpressionCompiler, { record }: ContextValue, node: ast.Node): void {
  if (/^(__sk_buff|xdp_md|sk_reuseport_md)$/.test(record.name)) return
  source.fail(node, `a struct ${record.name} has no copies`, 'Read it in place: read<T>(offset).')
}

/** After the packet was changed, pointers into it point to where it was. */
export function packetChanged(scope: Scope): void {
  for (const [name, variable] of scope) {
    const { value } = variable
    if (value.kind === 'pointer' && (value.inPacket !== undefined || value.within?.of === 'packet'))
      scope.set(name, { ...variable, state: 'stale' })
  }
}
