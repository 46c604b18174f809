// The arguments of USDT probes. libbpf parses how a probe passes them, and keeps that in a map that the program has to
// have; its name and layout are libbpf's own (usdt.bpf.h).
import * as c from '../../asm/c-types.js'
import type { MapDefinition } from '../../asm/map-definition.js'
import type { Reg } from '../ir.js'
import type { FunctionCompiler } from '../lower.js'
import type { Module } from '../module.js'
import { instructionPointer } from './registers.js'

const specs = '__bpf_usdt_specs'
const specIds = '__bpf_usdt_ip_to_spec_id'

/** How many arguments a probe can have. */
export const mostProbeArguments = 12

/** struct __bpf_usdt_arg_spec: offsets in bytes. */
const argument = { size: 24, value: 0, kind: 8, index: 10, register: 14, isSigned: 16, shift: 17 } as const
/** Where struct __bpf_usdt_spec has the number of its arguments. */
const countAt = mostProbeArguments * argument.size + 8
const specSize = countAt + 8

/** How an argument is passed. */
const kinds = { constant: 0, register: 1, memory: 2 } as const

/** The maps that libbpf fills for programs at USDT probes. */
export function probeMaps(module: Module): Record<string, MapDefinition> {
  if (!module.programs.some(({ hook }) => /^usdt/.test(hook))) return {}
  return {
    [specs]: { type: 'array', maxEntries: 256, keySize: 4, valueSize: specSize },
    [specIds]: { type: 'hash', maxEntries: 1024, keySize: 8, valueSize: 4 },
  }
}

/** The number of an argument of the probe, or 0 if it has none. */
export function probeArgument(compiler: FunctionCompiler, index: number): Reg {
  const { program, unit } = compiler
  unit.externs.set('LINUX_HAS_BPF_COOKIE', { kind: 'kconfig', type: c.bool })
  const callee = compiler.ownFunction('usdt_argument', program.node, 2, (inner, [context, number]) =>
    readArgument(inner as FunctionCompiler, context!, number!),
  )
  const [n, d] = [compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'const', d: n, value: BigInt(index) })
  const args = [{ reg: compiler.contextFor(program.node) }, { reg: n }]
  compiler.push({ op: 'call', d, callee, args })
  return d
}

function readArgument(compiler: FunctionCompiler, context: Reg, number: Reg): Reg {
  const result = compiler.newReg()
  const [end, read, deref, known] = [
    compiler.newLabel(),
    compiler.newLabel(),
    compiler.newLabel(),
    compiler.newLabel(),
  ]
  const load = (base: Reg, offset: number, size: number): Reg => {
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base, offset, size })
    return d
  }
  const alu = (
    operation: 'add' | 'and' | 'lsh' | 'rsh' | 'arsh' | 'mul',
    a: Reg,
    b: { reg: Reg } | { imm: number },
  ): Reg => {
    const d = compiler.newReg()
    compiler.push({ op: 'alu', operation, bits: 64, d, a, b })
    return d
  }
  const ifZero = (a: Reg, to: string): void =>
    compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a, b: { imm: 0 }, to })
  /** A register of the process, by its offset in struct pt_regs. */
  const registerAt = (offset: Reg): Reg => {
    const slot = compiler.newSlot(8)
    compiler.push({ op: 'store', base: 'frame', offset: slot, size: 8, value: { imm: 0 } })
    const address = alu('add', context, { reg: offset })
    compiler.call('probe_read_kernel', [{ frame: slot }, { imm: 8 }, { reg: address }])
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base: 'frame', offset: slot, size: 8 })
    return d
  }

  compiler.push({ op: 'const', d: result, value: 0n })
  const key = specId(compiler, context)
  const spec = compiler.call('map_lookup_elem', [{ map: specs }, { frame: key }])
  ifZero(spec, end)
  const count = load(spec, countAt, 2)
  compiler.push({ op: 'branch', comparison: 'ge', bits: 64, a: number, b: { reg: count }, to: end })
  compiler.push({
    op: 'branch',
    comparison: 'ge',
    bits: 64,
    a: number,
    b: { imm: mostProbeArguments },
    to: end,
  })
  const own = alu('add', spec, { reg: alu('mul', number, { imm: argument.size }) })
  const kind = load(own, argument.kind, 1)
  const value = load(own, argument.value, 8)
  compiler.push({ op: 'move', d: result, s: value, bits: 64 })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: kind, b: { imm: kinds.constant }, to: read })

  // The offset has a sign, but is never negative.
  const base = registerAt(load(own, argument.register, 2))
  compiler.push({ op: 'move', d: result, s: base, bits: 64 })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: kind, b: { imm: kinds.register }, to: read })
  const address = compiler.newReg()
  compiler.push({ op: 'move', d: address, s: alu('add', base, { reg: value }), bits: 64 })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: kind, b: { imm: kinds.memory }, to: deref })

  // Memory at a register, and another one times 1, 2, 4 or 8.
  const bits = load(own, argument.index, 2)
  const index = registerAt(alu('and', bits, { imm: 0xfff }))
  const scale = alu('rsh', bits, { imm: 12 })
  compiler.push({
    op: 'alu',
    operation: 'add',
    bits: 64,
    d: address,
    a: address,
    b: { reg: alu('lsh', index, { reg: scale }) },
  })
  compiler.label(deref)
  const slot = compiler.newSlot(8)
  compiler.push({ op: 'store', base: 'frame', offset: slot, size: 8, value: { imm: 0 } })
  compiler.call('probe_read_user', [{ frame: slot }, { imm: 8 }, { reg: address }])
  compiler.push({ op: 'load', d: result, base: 'frame', offset: slot, size: 8 })

  compiler.label(read)
  const shift = load(own, argument.shift, 1)
  const left = alu('lsh', result, { reg: shift })
  const isSigned = load(own, argument.isSigned, 1)
  compiler.push({ op: 'move', d: result, s: alu('rsh', left, { reg: shift }), bits: 64 })
  ifZero(isSigned, known)
  compiler.push({ op: 'move', d: result, s: alu('arsh', left, { reg: shift }), bits: 64 })
  compiler.label(known)
  compiler.label(end)
  return result
}

/**
 * The ID of libbpf's description of the probe, on the stack: the cookie, or on older kernels looked up by the address.
 */
function specId(compiler: FunctionCompiler, context: Reg): number {
  const slot = compiler.newSlot(8)
  const id = compiler.newReg()
  const [byAddress, found] = [compiler.newLabel(), compiler.newLabel()]
  const extern = compiler.newReg()
  compiler.push({ op: 'symbol', d: extern, kind: 'extern', name: 'LINUX_HAS_BPF_COOKIE' })
  const has = compiler.newReg()
  compiler.push({ op: 'load', d: has, base: extern, offset: 0, size: 1 })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: has, b: { imm: 0 }, to: byAddress })
  const cookie = compiler.call('get_attach_cookie', [{ reg: context }])
  compiler.push({ op: 'move', d: id, s: cookie, bits: 64 })
  compiler.jump(found)
  compiler.label(byAddress)
  compiler.push({ op: 'const', d: id, value: 0xffff_ffffn })
  const ip = instructionPointer(compiler, context)
  compiler.push({ op: 'store', base: 'frame', offset: slot, size: 8, value: { reg: ip } })
  const pointer = compiler.call('map_lookup_elem', [{ map: specIds }, { frame: slot }])
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: pointer, b: { imm: 0 }, to: found })
  compiler.push({ op: 'load', d: id, base: pointer, offset: 0, size: 4 })
  compiler.label(found)
  compiler.push({ op: 'store', base: 'frame', offset: slot, size: 8, value: { reg: id } })
  return slot
}
