// Elements by their keys: hashes, arrays, tries.
import { bool, u32 } from '../types.js'
import type { Value } from '../values.js'
import { alignmentOfValues, expectAligned } from './alignment.js'
import { forEach } from './each.js'
import { inMemory, isShared, isZero, type MapCall, type MapFunctions, mapArgument } from './memory.js'

/** BPF_NOEXIST and BPF_EXIST */
const [onlyNew, onlyThere] = [1, 2]

export const elementFunctions: MapFunctions = {
  get: { least: 1, call: get },
  set: { least: 2, call: (call) => set(call, 0) },
  setNew: { least: 2, call: (call) => set(call, onlyNew) },
  setExisting: { least: 2, call: (call) => set(call, onlyThere) },
  add: { least: 2, call: add },
  delete: { least: 1, call: remove },
  forEach: { least: 1, call: forEach },
}

/** The kinds whose elements exist from the start, and cannot be deleted. */
export const arrayKinds: ReadonlySet<string> = new Set(['array', 'percpuArray'])

export const perCpuFunctions: MapFunctions = {
  ...elementFunctions,
  getOn: { least: 2, call: getOn },
}

function get({ compiler, map, args, scope }: MapCall): Value {
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const reg = compiler.call('map_lookup_elem', [mapArgument(map), key])
  const align = alignmentOfValues(map.map)
  return {
    kind: 'pointer',
    reg,
    type: map.map.value!,
    shared: isShared(map),
    origin: map,
    ...(align < 8 && { align }),
  }
}

/** The value of another CPU. */
function getOn({ compiler, map, args: [cpu, key], scope }: MapCall): Value {
  const number = compiler.inReg(compiler.convert(compiler.numeric(cpu!, scope), u32, cpu!))
  const address = inMemory(compiler, map.map.key!, key!, scope)
  const reg = compiler.call('map_lookup_percpu_elem', [mapArgument(map), address, { reg: number }])
  return { kind: 'pointer', reg, type: map.map.value!, shared: true, origin: map }
}

function set({ compiler, map, args, scope }: MapCall, flags: number): Value {
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const value = inMemory(compiler, map.map.value!, args[1]!, scope)
  return isZero(compiler, compiler.call('map_update_elem', [mapArgument(map), key, value, { imm: flags }]))
}

function remove({ compiler, map, args, scope }: MapCall): Value {
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  return isZero(compiler, compiler.call('map_delete_elem', [mapArgument(map), key]))
}

/**
 * Adds to a number, which starts at 0 for a key that does not exist. Other CPUs may do the same, unless the map has a
 * value for each CPU. Returns whether there was room.
 */
function add({ compiler, map, args: [keyNode, amountNode], node, scope }: MapCall): Value {
  const type = map.map.value!
  if (type.kind !== 'int' || type.size < 4) {
    return compiler.source.fail(node, 'add needs a map whose values are numbers of 32 or 64 bits')
  }
  const key = inMemory(compiler, map.map.key!, keyNode!, scope)
  const amount = compiler.inReg(compiler.convert(compiler.numeric(amountNode!, scope), type, amountNode!))
  const own = mapArgument(map)
  const [found, end] = [compiler.newLabel(), compiler.newLabel()]
  const [pointer, done] = [compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'const', d: done, value: 0n })
  const look = (): void => {
    const reg = compiler.call('map_lookup_elem', [own, key])
    compiler.push({ op: 'move', d: pointer, s: reg, bits: 64 })
  }
  look()
  // An array has all of its entries from the beginning.
  if (!map.map.type.endsWith('array')) {
    compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: pointer, b: { imm: 0 }, to: found })
    const zero = compiler.local(type, node)
    compiler.clear(zero.base, zero.offset, type.size)
    // Another CPU may have made the entry in the meantime, so the zero must not overwrite what is there.
    compiler.call('map_update_elem', [own, key, compiler.address(zero), { imm: onlyNew }])
    look()
  }
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: pointer, b: { imm: 0 }, to: end })
  compiler.label(found)
  if (isShared(map)) {
    expectAligned(compiler.source, alignmentOfValues(map.map), type, node)
    compiler.push({ op: 'atomicAdd', base: pointer, offset: 0, size: type.size as 4 | 8, value: amount })
  } else {
    const [before, after] = [compiler.newReg(), compiler.newReg()]
    compiler.push({ op: 'load', d: before, base: pointer, offset: 0, size: type.size })
    compiler.push({ op: 'alu', operation: 'add', bits: 64, d: after, a: before, b: { reg: amount } })
    compiler.push({ op: 'store', base: pointer, offset: 0, size: type.size, value: { reg: after } })
  }
  compiler.push({ op: 'const', d: done, value: 1n })
  compiler.label(end)
  return { kind: 'number', reg: done, type: bool }
}
