// The contexts of programs, and sockets: structs that the kernel shows to programs in place of its own. They never
// change, so their members are read at fixed offsets, and only in their own sizes.
import { elementOf } from './hooks/iterators.js'
import { whyReadOnly } from './hooks/writable.js'
import type { KernelMemory } from './kernel-memory.js'
import { nearest } from './nearest.js'
import type { ast } from './syntax.js'
import { type IntType, integerOf, integers, type Type } from './types.js'
import type { ContextValue, PacketEdges, Value } from './values.js'

/** A 16-bit number in the network's order, stored in 32 bits. */
const be16In32: IntType = { kind: 'int', name: 'be16', size: 4, signed: false, bigEndian: true, bits: 16 }
const be32 = integers.be32!

/** Members that are in the network's byte order although their types do not say so. */
export const networkOrder: Readonly<Record<string, IntType>> = {
  '__sk_buff.protocol': be16In32,
  '__sk_buff.vlan_proto': be16In32,
  '__sk_buff.remote_ip4': be32,
  '__sk_buff.local_ip4': be32,
  '__sk_buff.remote_ip6': be32,
  '__sk_buff.local_ip6': be32,
  '__sk_buff.remote_port': be32,
  'bpf_sock.src_ip4': be32,
  'bpf_sock.src_ip6': be32,
  'bpf_sock.dst_ip4': be32,
  'bpf_sock.dst_ip6': be32,
  'bpf_sock.dst_port': integers.be16!,
  'bpf_sock_addr.user_ip4': be32,
  'bpf_sock_addr.user_ip6': be32,
  'bpf_sock_addr.user_port': be16In32,
  'bpf_sock_addr.msg_src_ip4': be32,
  'bpf_sock_addr.msg_src_ip6': be32,
  'bpf_sock_ops.remote_ip4': be32,
  'bpf_sock_ops.local_ip4': be32,
  'bpf_sock_ops.remote_ip6': be32,
  'bpf_sock_ops.local_ip6': be32,
  'bpf_sock_ops.remote_port': be32,
  'sk_msg_md.remote_ip4': be32,
  'sk_msg_md.local_ip4': be32,
  'sk_msg_md.remote_ip6': be32,
  'sk_msg_md.local_ip6': be32,
  'sk_msg_md.remote_port': be32,
  'bpf_sk_lookup.remote_ip4': be32,
  'bpf_sk_lookup.remote_ip6': be32,
  'bpf_sk_lookup.remote_port': integers.be16!,
  'bpf_sk_lookup.local_ip4': be32,
  'bpf_sk_lookup.local_ip6': be32,
  'sk_reuseport_md.eth_protocol': be16In32,
}

/** Pointers in contexts that are never null. */
const alwaysThere = new Set(['meta', 'state', 'skb', 'seq'])

/** Other structs that the kernel shows to programs in this way. */
const shown = new Set(['bpf_sock', 'bpf_tcp_sock', 'bpf_flow_keys'])

/** The context of a program, as the struct with this name. */
export function contextOf(
  compiler: KernelMemory,
  node: ast.Node,
  name: string,
  packet: PacketEdges | undefined,
): ContextValue {
  const record = compiler.kernel.record(name)
  if (record === undefined) compiler.source.fail(node, `the types of the kernel have no struct ${name}`)
  return { kind: 'context', reg: compiler.contextFor(node), record, ...(packet && { packet }) }
}

export function contextMember(
  compiler: KernelMemory,
  context: ContextValue,
  name: string,
  node: { readonly object: ast.Node; readonly property: ast.Node },
): Value {
  const { kernel } = compiler
  const { record, reg, offset = 0 } = context
  const found = kernel.member(record, name)
  if (found === undefined) {
    const names = kernel.memberNames(record)
    compiler.source.fail(node.property, `struct ${record.name} has no member '${name}'`, nearest(name, names))
  }
  const at = offset + found.bitOffset / 8
  const type = kernel.btf.resolve(found.typeId)
  if (type.kind === 'struct' || type.kind === 'union')
    return { kind: 'context', reg, record: type, offset: at }
  if (context.packet !== undefined && /^(data|data_end|data_meta|optval|optval_end)$/.test(name))
    compiler.source.fail(
      node.property,
      `'${name}' is an edge of the packet, not a number`,
      'Read the packet with packet.read<T>(offset).',
    )
  if (type.kind === 'ptr') {
    const to = kernel.btf.resolve(type.typeId)
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base: reg, offset: at, size: 8 })
    const element = elementOf(compiler, context, name, d)
    if (element !== undefined) return element
    if (to.kind !== 'struct' && to.kind !== 'union')
      return { kind: 'number', reg: d, type: integerOf(8, false) }
    const common = { reg: d, record: to, ...(!alwaysThere.has(name) && { nullable: true }) }
    kernel.named.records.add(to)
    if (to.name === 'bpf_flow_keys') return { kind: 'context', reg: d, record: to }
    return shown.has(to.name)
      ? { kind: 'context', ...common }
      : { kind: 'kernel pointer', trusted: true, ...common }
  }
  const placed = placeType(compiler, record.name, name, found.typeId)
  if (placed === undefined) compiler.source.fail(node.property, `'${name}' cannot be used in a program`)
  const readonly = whyReadOnly(compiler.program.hook, record.name, name)
  return {
    kind: 'place',
    base: reg,
    offset: at,
    type: placed,
    inSizeOf: element(placed),
    ...(readonly && { readonly }),
  }
}

function placeType(compiler: KernelMemory, record: string, name: string, typeId: number): Type | undefined {
  const { btf } = compiler.kernel
  const type = btf.resolve(typeId)
  const own =
    networkOrder[`${record}.${name}`] ??
    (compiler.kernel.isBigEndian(typeId) && type.kind === 'int' ? integers[`be${type.size * 8}`] : undefined)
  if (type.kind === 'array') {
    const of = own ?? placeType(compiler, record, name, type.typeId)
    return of && { kind: 'array', of, length: type.length }
  }
  if (type.kind !== 'int' && type.kind !== 'enum') return undefined
  return own ?? integerOf(type.size, type.signed)
}

const element = (type: Type): Type => (type.kind === 'array' ? element(type.of) : type)
