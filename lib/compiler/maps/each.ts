// Functions of the file that the kernel calls for each element of a map, or for each record from user space.
import type { ast } from '../syntax.js'
import { s64, sizeOf } from '../types.js'
import type { Value } from '../values.js'
import { filled, isShared, type MapCall, mapArgument } from './memory.js'

/** `map.forEach((key, value) => { ... })`. A function that returns 1 ends it. Returns how many elements it visited. */
export function forEach(call: MapCall): Value {
  const { compiler, map } = call
  const fn = functionOf(call, '(key, value)')
  compiler.expectKernel('5.13', call.node, 'forEach')
  const { key, value } = map.map
  const name = compiler.callback(
    fn,
    `${map.map.name}_each`,
    [
      undefined,
      (reg) => ({ value: { kind: 'pointer', reg, type: key!, shared: false }, state: 'present' }),
      (reg) => ({
        value: { kind: 'pointer', reg, type: value!, shared: isShared(map), origin: map },
        state: 'present',
      }),
    ],
    call.scope,
  )
  const reg = compiler.call('for_each_map_elem', [
    mapArgument(map),
    { callback: name },
    { imm: 0 },
    { imm: 0 },
  ])
  return { kind: 'number', reg, type: s64 }
}

/** `ring.drain((record) => { ... })`: the records that user space has submitted. Returns how many there were. */
export function drain(call: MapCall): Value {
  const { compiler, map } = call
  const fn = functionOf(call, '(record)')
  const [type] = map.map.records!
  const name = compiler.callback(
    fn,
    `${map.map.name}_drain`,
    [
      (dynptr, inner) => {
        const size = { imm: sizeOf(type!) }
        const value = filled(inner, type!, fn, (place) =>
          inner.call('dynptr_read', [place, size, { reg: dynptr }, { imm: 0 }, { imm: 0 }]),
        )
        return { value, state: 'maybe' }
      },
    ],
    call.scope,
  )
  const reg = compiler.call('user_ringbuf_drain', [
    mapArgument(map),
    { callback: name },
    { imm: 0 },
    { imm: 0 },
  ])
  return { kind: 'number', reg, type: s64 }
}

function functionOf({ compiler, args }: MapCall, parameters: string): ast.ArrowFunctionExpression {
  const [fn] = args
  if (fn?.type === 'ArrowFunctionExpression') return fn
  return compiler.source.fail(fn!, 'this needs a function', `Write ${parameters} => { ... }.`)
}
