// Where the packet of a program begins and ends.
import type { Reg } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import { u32 } from './types.js'
import type { ContextValue, Value } from './values.js'

/** The first byte of the packet, or what is behind its last. */
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
