import type { Value } from '../values.js'
import { inMemory, type MapCall, type MapFunctions, mapArgument } from './memory.js'

export const nestedFunctions: MapFunctions = { get: { least: 1, call: get } }

/** A map in a map of maps, or null. */
function get({ compiler, map, args, scope }: MapCall): Value {
  const key = inMemory(compiler, map.map.key!, args[0]!, scope)
  const reg = compiler.call('map_lookup_elem', [mapArgument(map), key])
  return { kind: 'map', map: map.map.inner!, reg, nullable: true }
}
