// Queues, stacks and bloom filters: values without keys.
import type { Value } from '../values.js'
import { filled, inMemory, isZero, type MapCall, type MapFunctions, mapArgument } from './memory.js'

export const queueFunctions: MapFunctions = {
  push: { least: 1, call: push },
  pop: { least: 0, call: (call) => take(call, 'map_pop_elem') },
  peek: { least: 0, call: (call) => take(call, 'map_peek_elem') },
}

export const filterFunctions: MapFunctions = {
  add: { least: 1, call: push },
  has: { least: 1, call: has },
}

/** Whether there was room for a value. */
function push({ compiler, map, args, scope }: MapCall): Value {
  const value = inMemory(compiler, map.map.value!, args[0]!, scope)
  return isZero(compiler, compiler.call('map_push_elem', [mapArgument(map), value, { imm: 0 }]))
}

/** A copy of the next value, or null if there is none. */
function take({ compiler, map, node }: MapCall, helper: 'map_pop_elem' | 'map_peek_elem'): Value {
  return filled(compiler, map.map.value!, node, (place) => compiler.call(helper, [mapArgument(map), place]))
}

/** Whether a value was added. The result may be true for a value that was not. */
function has({ compiler, map, args, scope }: MapCall): Value {
  const value = inMemory(compiler, map.map.value!, args[0]!, scope)
  return isZero(compiler, compiler.call('map_peek_elem', [mapArgument(map), value]))
}
