// Where the packet of a program begins and ends.
import type { Reg } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import { u32 } from './types.js'
import type { ContextValue, PacketEdges, Value } from './values.js'

/** A pointer to the first byte of the packet, or past its last one. */
export function edge(compiler: KernelMemory, packet: ContextValue, which: 'data' | 'end'): Reg {
  const { kernel } = compiler
  const found = kernel.member(packet.record, packet.packet![which])!
  const d = compiler.newReg()
  const size = kernel.btf.sizeOf(found.typeId)
  compiler.push({ op: 'load', d, base: packet.reg, offset: found.bitOffset / 8, size })
  return d
}

/** How many bytes the packet has in memory. */
export function packetLength(compiler: KernelMemory, packet: ContextValue): Value {
  const d = compiler.newReg()
  const [data, end] = [edge(compiler, packet, 'data'), edge(compiler, packet, 'end')]
  compiler.push({ op: 'alu', operation: 'sub', bits: 64, d, a: end, b: { reg: data } })
  return { kind: 'number', reg: d, type: u32 }
}

/** Where a context has the edges of what can be read in place. */
export function edgesOf(context: string): PacketEdges | undefined {
  if (context === 'bpf_sockopt') return { data: 'optval', end: 'optval_end' }
  if (context === 'bpf_sock_ops') return { data: 'skb_data', end: 'skb_data_end' }
  return /^(xdp_md|__sk_buff|sk_msg_md|sk_reuseport_md)$/.test(context)
    ? { data: 'data', end: 'data_end' }
    : undefined
}
