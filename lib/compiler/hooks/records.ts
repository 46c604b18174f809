// Text in the records of tracepoints: it follows the record, which contains its position.
import type { KernelMemory } from '../kernel-memory.js'
import { type IntType, u32 } from '../types.js'
import type { KernelPointerValue, KernelTextValue } from '../values.js'

/** `__data_loc` counts from the start of the record, `__rel_loc` from the end of the number itself. */
const prefixes = ['__data_loc_', '__rel_loc_'] as const

/** Text of a tracepoint's record by its name, such as `filename` of sched/sched_process_exec. */
export function locatedText(
  compiler: KernelMemory,
  record: KernelPointerValue,
  name: string,
): KernelTextValue | undefined {
  if (!record.record.name.startsWith('trace_event_raw_')) return undefined
  const { kernel } = compiler
  const prefix = prefixes.find((one) => kernel.member(record.record, `${one}${name}`) !== undefined)
  if (prefix === undefined) return undefined
  const place = compiler.kernelMember(record, [], record.record.id, `${prefix}${name}`, { property: {} })
  const number = compiler.expectNumeric(compiler.readKernel(place, {}), {})
  const where = compiler.inReg(compiler.convert(number, u32 as IntType, {}, true))
  const [offset, reg] = [compiler.newReg(), compiler.newReg()]
  // The upper half is the size.
  compiler.push({ op: 'alu', operation: 'and', bits: 32, d: offset, a: where, b: { imm: 0xffff } })
  const base = prefix === '__data_loc_' ? record.reg : behind(compiler, compiler.kernelAddress(place))
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: reg, a: base, b: { reg: offset } })
  return { kind: 'kernel text', reg }
}

function behind(compiler: KernelMemory, address: number): number {
  const d = compiler.newReg()
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d, a: address, b: { imm: 4 } })
  return d
}
