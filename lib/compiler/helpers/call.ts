// Calls of helpers: bpf.name(...).

import { checksumFunctions, inPacketOrder } from '../checksums.js'
import type { ExpressionCompiler } from '../expressions.js'
import type { Argument } from '../ir.js'
import { expectNoLock } from '../maps/opaque.js'
import { nearest } from '../nearest.js'
import { own } from '../own.js'
import { packetChanged } from '../packets.js'
import { expectAwake } from '../rcu.js'
import type { ast } from '../syntax.js'
import { readComm, textAddress } from '../text.js'
import { describe, sizeOf, type Type } from '../types.js'
import { userAddress, userPlace } from '../user-memory.js'
import {
  type ContextValue,
  describeValue,
  type KernelPointerValue,
  markGivenBack,
  type Owed,
  type PlaceValue,
  type Scope,
  type Value,
} from '../values.js'
import { expectAllowed, isSleeping } from './allowed.js'
import { dynptrFromMem } from './dynptr.js'
import { callNames, camelCase, instead, type Parameter, type Signature, signatureOf } from './signature.js'

/** Structs that the kernel shows to programs in place of its own. */
const shown = new Set(['bpf_sock', 'bpf_tcp_sock'])

/** Helpers whose result has to be released. */
const acquiring = new Set(['sk_lookup_tcp', 'sk_lookup_udp', 'skc_lookup_tcp'])

/** Helpers after which the packet may be elsewhere in memory. */
const changesPacket = new Set([
  'clone_redirect',
  'l3_csum_replace',
  'l4_csum_replace',
  'lwt_push_encap',
  'msg_pop_data',
  'msg_pull_data',
  'msg_push_data',
  'skb_adjust_room',
  'skb_change_head',
  'skb_change_proto',
  'skb_change_tail',
  'skb_pull_data',
  'skb_store_bytes',
  'skb_vlan_pop',
  'skb_vlan_push',
  'store_hdr_opt',
  'xdp_adjust_head',
  'xdp_adjust_meta',
  'xdp_adjust_tail',
])

/** Helpers that never return null. */
const neverNull = new Set(['get_current_task_btf'])

/**
 * The hint for the kernel's own name of a helper, with or without `bpf_`, and for names that are often taken for
 * helpers.
 */
export function helperNamed(name: string): string | undefined {
  if (/^(bpf_)?(print|printk|tracePrintk|trace_printk|log)$/.test(name)) return 'Write print(`...`).'
  const own = name.replace(/^bpf_/, '').replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  return own !== name && signatureOf(own) !== undefined ? `Write bpf.${own}(...).` : undefined
}

export function callHelper(
  compiler: ExpressionCompiler,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { property } = node.callee as ast.MemberExpression
  expectNoLock(compiler, node, scope)
  const checksum = own(checksumFunctions, name)
  if (checksum !== undefined) return checksum(compiler, node, scope)
  if (name === 'dynptrFromMem') return dynptrFromMem(compiler, node, scope)
  const signature = signatureOf(name)
  if (signature === undefined)
    compiler.source.fail(
      property,
      `there is no helper '${name}'`,
      helperNamed(name) ?? nearest(name, callNames()),
    )
  expectAllowed(compiler, signature.number, property, `bpf.${name}`)
  expectAwake(compiler, name, property, scope, isSleeping(signature.number))
  if (/^probeRead(User|Kernel)$/.test(name) && node.arguments.length < 2 && !node.typeParameters) {
    compiler.source.fail(
      node,
      `bpf.${name} needs the type of what it reads, and an address`,
      `Write bpf.${name}<u32>(address).`,
    )
  }
  if (name === 'getCurrentTask') {
    const record = compiler.kernel.recordFor('task_struct')
    if (record === undefined) compiler.source.fail(node, 'the types of the kernel have no task_struct')
    return { kind: 'kernel pointer', reg: compiler.call('get_current_task', []), record, trusted: false }
  }
  if (name === 'getCurrentComm' && node.arguments.length === 0) {
    const comm = compiler.local({ kind: 'chars', length: 16 }, node)
    readComm(compiler, comm, 16, true)
    return comm
  }
  if (/^probeRead(User|Kernel)Str$/.test(name) && node.arguments.length > 0 && node.arguments.length < 3)
    compiler.source.fail(
      node,
      `bpf.${name}() has to be assigned to a char<N>`,
      `Write const text: char<64> = ${compiler.text(node)}.`,
    )
  const other = own(instead, name)
  if (other !== undefined)
    compiler.source.fail(property, `maps and rings have words of their own for '${name}'`, other)
  const copied = typeArgument(node)
  if (copied !== undefined) return copyOf(compiler, signature, compiler.module.type(copied), node, scope)
  const given = node.arguments as readonly ast.Expression[]
  return result(
    compiler,
    signature,
    argumentsOf(compiler, signature, signature.parameters, given, node, scope),
    node,
    given,
    scope,
  )
}

function typeArgument(node: ast.CallExpression): ast.TSType | undefined {
  return node.typeParameters?.type === 'TSTypeParameterInstantiation'
    ? node.typeParameters.params[0]
    : undefined
}

/** `bpf.probeReadUser<Point>(address)`: a new place with what the helper writes, which is zeros if it fails. */
function copyOf(
  compiler: ExpressionCompiler,
  signature: Signature,
  type: Type,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const [first, ...rest] = signature.parameters
  if (first?.kind !== 'memory' || first.name !== 'dst')
    compiler.source.fail(node, `bpf.${camelCase(signature.name)} does not make a copy`, 'It has no type.')
  const place = compiler.local(type, node)
  compiler.clear(place.base, place.offset, sizeOf(type))
  const given = node.arguments as readonly ast.Expression[]
  const args = argumentsOf(compiler, signature, rest, given, node, scope)
  compiler.call(signature.number, [compiler.address(place), { imm: sizeOf(type) }, ...args])
  return type.kind === 'int' ? compiler.load(place, node) : place
}

/** What a program passes for each parameter of a helper. */
function argumentsOf(
  compiler: ExpressionCompiler,
  signature: Signature,
  parameters: readonly Parameter[],
  given: readonly ast.Expression[],
  node: ast.CallExpression,
  scope: Scope,
): Argument[] {
  const isContext = (parameter: Parameter): boolean =>
    parameter.kind === 'context' ? takesContext(compiler, signature) : isOwnSocket(compiler, parameter)
  const named = parameters.filter((parameter) => !isContext(parameter))
  const withSizes = named.length + named.filter(({ kind }) => kind === 'memory').length
  if (given.length !== named.length && given.length !== withSizes) {
    compiler.source.fail(
      node,
      `${camelCase(signature.name)} has ${named.length} arguments, and ${given.length} are given`,
      named.length > 0 ? `They are ${named.map(({ name }) => camelCase(name)).join(', ')}.` : undefined,
    )
  }
  const isSized = given.length === withSizes
  const left = [...given]
  return parameters.flatMap((parameter): Argument[] => {
    if (isContext(parameter)) return [{ reg: compiler.contextFor(node) }]
    const argument = left.shift()!
    // Here programs pass values where the kernel wants bytes.
    if (/^l[34]_csum_replace$/.test(signature.name) && /^(from|to)$/.test(parameter.name))
      return [inPacketOrder(compiler, argument, given.at(-1)!, scope)]
    if (isConstantText(signature, parameter)) {
      const text = memoryOf(compiler, argument, scope)
      if (text.isGlobal !== true || text.readonly === undefined)
        return failConstant(compiler, signature, argument)
      return [compiler.address(text)]
    }
    if (parameter.kind !== 'memory') return [argumentOf(compiler, parameter, argument, scope)]
    const place = memoryOf(compiler, argument, scope)
    if (!parameter.readonly && place.readonly !== undefined) compiler.source.fail(argument, place.readonly)
    const address = compiler.address(place, argument)
    if (!isSized || withSizes === named.length) return [address, { imm: sizeOf(place.type) }]
    const size = compiler.numeric(left.shift()!, scope)
    return [address, { reg: compiler.inReg(size) }]
  })
}

/** Programs that see kernel objects name the socket; for others it is that of their context. */
function takesContext({ program }: ExpressionCompiler, { name }: Signature): boolean {
  return (
    name !== 'get_socket_cookie' ||
    !/^(tpBtf|f(entry|exit|session|modRet)|lsm|iter)(Sleepable|Cgroup)?$/.test(program.hook)
  )
}

/** setsockopt and getsockopt work on the socket of the context, where there is one. */
function isOwnSocket({ program }: ExpressionCompiler, { name }: Parameter): boolean {
  return (
    name === 'bpf_socket' && /^(sockOps|cgroup(Bind|Connect|Sendmsg|Recvmsg|Get.*name))/.test(program.hook)
  )
}

function argumentOf(
  compiler: ExpressionCompiler,
  parameter: Parameter,
  node: ast.Expression,
  scope: Scope,
): Argument {
  switch (parameter.kind) {
    case 'number': {
      const { type } = parameter
      const number = compiler.numeric(node, scope)
      // Flags with all bits, such as BPF_F_CURRENT_NETNS, are written as -1.
      const isAll = number.kind === 'constant' && number.value === -1n
      const reg = compiler.inReg(compiler.convert(number, type, node, isAll))
      return { reg: type.bigEndian ? compiler.swap(reg, type.size * 8) : reg }
    }
    case 'map': {
      const value = compiler.expression(node, scope)
      if (value.kind !== 'map')
        compiler.source.fail(
          node,
          `'${camelCase(parameter.name)}' is a map, and this is ${describeValue(value)}`,
        )
      return { map: value.map.name }
    }
    case 'address': {
      const value = compiler.expression(node, scope)
      if (value.kind === 'pointer' && value.inArena)
        return compiler.address(compiler.place(node, scope), node)
      if (value.kind === 'kernel pointer' || value.kind === 'pointer') return { reg: value.reg }
      if (value.kind === 'user place' && value.type.kind !== 'int')
        return { reg: userAddress(compiler, value) }
      if (value.kind === 'kernel place' && compiler.kernel.isText(value.path.typeId))
        return { reg: textAddress(compiler, value, node) }
      if (value.kind === 'kernel place' && isAggregate(compiler, value.path.typeId))
        return { reg: compiler.kernelAddress(value) }
      return { reg: compiler.inReg(compiler.numeric(node, scope)) }
    }
    case 'kernel':
      return kernelArgument(compiler, parameter, node, scope)
    case 'context':
      // Only get_socket_cookie has it as an argument, in programs that see the kernel's sockets.
      return kernelArgument(compiler, { name: 'sk', record: 'sock' }, node, scope)
    case 'function':
      return compiler.source.fail(node, 'this helper calls a function, which programs cannot name yet')
    default:
      return compiler.address(memoryOf(compiler, node, scope), node)
  }
}

function isAggregate(compiler: ExpressionCompiler, typeId: number): boolean {
  return ['struct', 'union', 'array'].includes(compiler.kernel.btf.resolve(typeId).kind)
}

/** A pointer to one of the kernel's structs, which the verifier has to know. */
export function kernelArgument(
  compiler: ExpressionCompiler,
  {
    name,
    record,
    keeps,
  }: { readonly name: string; readonly record: string | undefined; readonly keeps?: boolean },
  node: ast.Expression,
  scope: Scope,
): Argument {
  let value = compiler.expression(node, scope)
  const { underRcu } = value.kind === 'kernel place' ? value.pointer : (value as Partial<KernelPointerValue>)
  if (keeps && underRcu) {
    compiler.source.fail(
      node,
      `'${camelCase(name)}' has to be kept, and RCU keeps this only until the next round of the loop`,
      'Get a reference: kfunc.bpf_task_acquire(task), or kfunc.bpf_cgroup_from_id(css.cgroup.kn.id).',
    )
  }
  if (value.kind === 'kernel place') {
    if (isAggregate(compiler, value.path.typeId)) return { reg: compiler.kernelAddress(value) }
    value = compiler.readKernel(value, node)
  }
  const wanted = record === undefined ? "one of the kernel's structs" : `a pointer to a struct ${record}`
  if (value.kind !== 'kernel pointer' && value.kind !== 'context')
    compiler.source.fail(node, `'${camelCase(name)}' is ${wanted}, and this is ${describeValue(value)}`)
  if (value.nullable || value.owed) compiler.expectPresent(node, scope)
  if (value.kind === 'kernel pointer' && !value.trusted) {
    compiler.source.fail(
      node,
      `the verifier does not know this pointer, and '${camelCase(name)}' has to be ${wanted} that it knows`,
      'The arguments of tpBtf, fentry and lsm programs are known, and so is bpf.getCurrentTaskBtf().',
    )
  }
  return { reg: value.reg }
}

/** Text that the kernel only takes from memory that never changes. */
const isConstantText = ({ name }: Signature, parameter: Parameter): boolean =>
  (name === 'strncmp' && parameter.name === 's2') || (name === 'snprintf' && parameter.name === 'fmt')

function failConstant(compiler: ExpressionCompiler, { name }: Signature, node: ast.Node): never {
  return compiler.source.fail(
    node,
    `bpf.${camelCase(name)} takes a literal here, or text that is rodata`,
    "Write it where it is used: bpf.strncmp(comm, 'bash').",
  )
}

/** A literal, as text that never changes. */
function literalText(compiler: ExpressionCompiler, { value }: ast.StringLiteral): PlaceValue {
  const base = compiler.newReg()
  compiler.push({ op: 'symbol', d: base, kind: 'data', name: compiler.unit.text(value) })
  const type = { kind: 'chars', length: new TextEncoder().encode(value).length + 1 } as const
  return { kind: 'place', base, offset: 0, type, isGlobal: true, readonly: 'a literal cannot be written to' }
}

/** A struct, an array or text in memory that a helper reads or fills. */
function memoryOf(compiler: ExpressionCompiler, node: ast.Expression, scope: Scope): PlaceValue {
  if (node.type === 'StringLiteral') return literalText(compiler, node)
  const value = compiler.expression(node, scope)
  if (value.kind === 'place') return value
  if (value.kind === 'pointer') return compiler.place(node, scope)
  const user = userPlace(compiler, value, node)
  if (user !== undefined)
    compiler.source.fail(
      node,
      `${describeValue(value)} is not in memory that the kernel could use here`,
      `Copy it first: const copy: ${describe(user.type)} = ${compiler.text(node)}.`,
    )
  compiler.source.fail(
    node,
    `${describeValue(value)} is not in memory that the kernel could use`,
    'Declare a variable with an interface, an array<T, N> or a char<N> as its type.',
  )
}

function result(
  compiler: ExpressionCompiler,
  signature: Signature,
  args: readonly Argument[],
  node: ast.CallExpression,
  given: readonly ast.Expression[],
  scope: Scope,
): Value {
  const { number, returns, name } = signature
  if (name === 'sk_release') release(compiler, given[0]!, scope)
  const reg = compiler.call(number, args)
  if (changesPacket.has(name)) packetChanged(scope)
  switch (returns.kind) {
    case 'void':
      return { kind: 'void' }
    case 'number':
      return { kind: 'number', reg, type: returns.type }
    case 'pointer':
      return compiler.source.fail(
        node,
        `bpf.${camelCase(name)} returns a pointer that programs cannot use yet`,
      )
    case 'kernel': {
      const record =
        compiler.kernel.recordFor(returns.record) ??
        compiler.source.fail(node, `the types of the kernel have no struct ${returns.record}`)
      const owed = acquiring.has(name) ? owedToSockets(name) : undefined
      const common = { reg, record, ...(!neverNull.has(name) && { nullable: true }), ...(owed && { owed }) }
      if (shown.has(returns.record)) return { kind: 'context', ...common }
      return { kind: 'kernel pointer', trusted: true, ...common }
    }
  }
}

const owedToSockets = (name: string): Owed => ({
  what: 'reference',
  still: 'held',
  release: 'sk_release',
  how: (reference) => `Call bpf.skRelease(${reference}) first.`,
  withName: `const sk = bpf.${camelCase(name)}(...)`,
})

/** Releases a reference. */
function release(compiler: ExpressionCompiler, node: ast.Expression, scope: Scope): void {
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const owed = (variable?.value as Partial<ContextValue> | undefined)?.owed
  if (node.type !== 'Identifier' || variable === undefined || owed?.release !== 'sk_release') {
    compiler.source.fail(node, 'only what sk_lookup_tcp and its like return is released')
  }
  markGivenBack(scope, node.name)
}
