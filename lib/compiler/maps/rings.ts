// Ring buffers and perf event arrays: records on their way to user space.
import type { ExpressionCompiler } from '../expressions.js'
import type { ModuleMap } from '../module.js'
import type { ast } from '../syntax.js'
import { bool, describe, type StructType, sizeOf, type Type } from '../types.js'
import { markGivenBack, type Owed, type PlaceValue, type Value } from '../values.js'
import { drain } from './each.js'
import { isZero, type MapCall, type MapFunctions, mapArgument } from './memory.js'

export const ringFunctions: MapFunctions = {
  reserve: { least: 0, call: reserve },
  reserveDynptr: { least: 1, call: reserveDynptr },
  submit: { least: 1, call: giveBack },
  discard: { least: 1, call: giveBack },
  emit: { least: 1, call: emit },
}

export const perfFunctions: MapFunctions = { emit: { least: 1, call: emitToPerf } }

export const userRingFunctions: MapFunctions = { drain: { least: 1, call: drain } }

/** Room for a record, or null. */
function reserve({ compiler, map, node }: MapCall): Value {
  const type = recordType(compiler, map.map, node)
  const reg = compiler.call('ringbuf_reserve', [mapArgument(map), { imm: sizeOf(type) }, { imm: 0 }])
  if (map.map.countLost === true) {
    const there = compiler.newLabel()
    compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: reg, b: { imm: 0 }, to: there })
    countLoss(compiler, map.map)
    compiler.label(there)
  }
  return { kind: 'pointer', reg, type, owed: owedTo(map.map), shared: false }
}

/** Room for a record of any length, or null. The dynptr has to be released even if there is no room. */
function reserveDynptr({ compiler, map, args, scope }: MapCall): Value {
  const [bytes] = args
  const size = compiler.inU32(bytes!, scope)
  const frame = compiler.newDynptr()
  const [reg, there] = [compiler.newReg(), compiler.newLabel()]
  const result = compiler.call('ringbuf_reserve_dynptr', [
    mapArgument(map),
    { reg: size },
    { imm: 0 },
    { frame },
  ])
  compiler.push({ op: 'const', d: reg, value: 1n })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: result, b: { imm: 0 }, to: there })
  compiler.call('ringbuf_discard_dynptr', [{ frame }, { imm: 0 }])
  if (map.map.countLost === true) countLoss(compiler, map.map)
  compiler.push({ op: 'const', d: reg, value: 0n })
  compiler.label(there)
  return {
    kind: 'dynptr',
    frame,
    of: 'record',
    reg,
    nullable: true,
    owed: owedTo(map.map, 'reserveDynptr(size)'),
  }
}

/** Adds one to the counter of lost records, in the map next to a ring buffer, which user space reads. */
export function countLoss(
  compiler: ExpressionCompiler,
  { name, node }: { readonly name: string; readonly node: ast.Node },
): void {
  const slot = compiler.newSlot(4, node)
  compiler.push({ op: 'store', base: 'frame', offset: slot, size: 4, value: { imm: 0 } })
  const count = compiler.call('map_lookup_elem', [{ map: `${name}_lost` }, { frame: slot }])
  const [end, one] = [compiler.newLabel(), compiler.newReg()]
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: count, b: { imm: 0 }, to: end })
  compiler.push({ op: 'const', d: one, value: 1n })
  compiler.push({ op: 'atomicAdd', base: count, offset: 0, size: 8, value: one })
  compiler.label(end)
}

function owedTo(map: ModuleMap, reserve = 'reserve()'): Owed {
  const { name } = map
  return {
    what: 'record',
    still: 'reserved',
    map,
    how: (record) =>
      `Call ${name}.submit(${record}) or ${name}.discard(${record}) first${reserve === 'reserve()' ? `, or use ${name}.emit({ ... })` : ''}.`,
    withName: `const record = ${name}.${reserve}`,
  }
}

/** The type of a record, which has to be named if the buffer has several: `events.reserve<Started>()`. */
function recordType(compiler: ExpressionCompiler, map: ModuleMap, node: ast.CallExpression): StructType {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  const records = map.records!
  const wanted = given && compiler.module.type(given)
  if (wanted === undefined && records.length === 1) return records[0]!
  const found = records.find((record) => record === wanted)
  const names = records.map(({ name }) => name)
  return (
    found ??
    compiler.source.fail(
      given ?? node,
      given ? `'${map.name}' has no such records` : `'${map.name}' has records of several types`,
      given ? `It has ${names.join(', ')}.` : `Say which: ${compiler.text(node.callee)}<${names[0]}>(...).`,
    )
  )
}

/** Writes a record: from its members, or from memory. Returns whether there was room for it. */
function emit(call: MapCall): Value {
  const { compiler, map, args, node, scope } = call
  const given = args[0]!
  if (given.type === 'ObjectExpression')
    return emitWith(call, recordType(compiler, map.map, node), (place) =>
      compiler.assignMembers(place, given, scope),
    )
  const place = recordIn(call)
  // The helper that copies a record does not read packets.
  return place.inPacket === undefined
    ? output(call, place)
    : emitWith(call, place.type, (record) => compiler.assignTo(record, given, scope))
}

/** Reserves a record, fills it and submits it. */
function emitWith({ compiler, map }: MapCall, type: Type, fill: (place: PlaceValue) => void): Value {
  const reg = compiler.call('ringbuf_reserve', [mapArgument(map), { imm: sizeOf(type) }, { imm: 0 }])
  const [full, end, d] = [compiler.newLabel(), compiler.newLabel(), compiler.newReg()]
  compiler.push({ op: 'const', d, value: 0n })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: full })
  fill({ kind: 'place', base: reg, offset: 0, type })
  compiler.call('ringbuf_submit', [{ reg }, { imm: 0 }])
  compiler.push({ op: 'const', d, value: 1n })
  if (map.map.countLost === true) compiler.jump(end)
  compiler.label(full)
  if (map.map.countLost === true) countLoss(compiler, map.map)
  compiler.label(end)
  return { kind: 'number', reg: d, type: bool }
}

/** A record that is in memory already. */
function recordIn({ compiler, map: { map }, args, scope }: MapCall): PlaceValue {
  const node = args[0]!
  const place = compiler.place(node, scope)
  if (map.records!.some((record) => describe(record) === describe(place.type)))
    return compiler.outsideArena(place, node)
  return compiler.source.fail(
    node,
    `emit needs a record of '${map.name}'`,
    'Write its members, { pid: 1 }, or give it a variable of that type.',
  )
}

/** Copies a record that is in memory already into the buffer. */
function output({ compiler, map }: MapCall, place: PlaceValue): Value {
  const own = [mapArgument(map), compiler.address(place), { imm: sizeOf(place.type) }, { imm: 0 }]
  const written = isZero(compiler, compiler.call('ringbuf_output', own))
  if (map.map.countLost === true && written.kind === 'number') {
    const end = compiler.newLabel()
    compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: written.reg, b: { imm: 0 }, to: end })
    countLoss(compiler, map.map)
    compiler.label(end)
  }
  return written
}

/** Copies a record into the buffer of this CPU. */
function emitToPerf(call: MapCall): Value {
  const { compiler, map, args, node, scope } = call
  const members = args[0]!
  let place: PlaceValue
  if (members.type === 'ObjectExpression') {
    place = compiler.local(recordType(compiler, map.map, node), node)
    compiler.assignMembers(place, members, scope)
  } else {
    place = recordIn(call)
    if (place.inPacket !== undefined) {
      // The helper does not read packets.
      place = compiler.local(place.type, node)
      compiler.assignTo(place, members, scope)
    }
  }
  const thisCpu = compiler.inReg({ kind: 'constant', value: 0xffff_ffffn })
  const result = compiler.call('perf_event_output', [
    { reg: compiler.contextFor(node) },
    mapArgument(map),
    { reg: thisCpu },
    compiler.address(place),
    { imm: sizeOf(place.type) },
  ])
  return isZero(compiler, result)
}

type Finish = 'submit' | 'discard'

/** Submits a record, or discards it. */
function giveBack({ compiler, map: { map }, name, args, scope }: MapCall): Value {
  const node = args[0]!
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const value = variable?.value
  const isRecord = value?.kind === 'pointer' || value?.kind === 'dynptr'
  if (node.type !== 'Identifier' || !isRecord || value.owed?.map === undefined) {
    return compiler.source.fail(
      node,
      `${name} needs a record from ${map.name}.reserve()`,
      value?.kind === 'dynptr' ? `A dynptr is one if it is from ${map.name}.reserveDynptr(size).` : undefined,
    )
  }
  if (value.owed.map.name !== map.name)
    return compiler.source.fail(node, `'${node.name}' was reserved in '${value.owed.map.name}'`)
  if (variable!.state === 'given back')
    return compiler.source.fail(node, `'${node.name}' was already released`)
  if (variable!.state !== 'present') {
    return compiler.source.fail(
      node,
      `'${node.name}' may be null here`,
      `Compare it first: if (!${node.name}) ${compiler.leaving}.`,
    )
  }
  if (value.kind === 'dynptr')
    compiler.call(`ringbuf_${name as Finish}_dynptr`, [{ frame: value.frame }, { imm: 0 }])
  else compiler.call(`ringbuf_${name as Finish}`, [{ reg: value.reg }, { imm: 0 }])
  markGivenBack(scope, node.name)
  return { kind: 'void' }
}
