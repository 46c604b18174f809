// Maps as they are in the object.
import type { MapDefinition } from '../../asm/map-definition.js'
import { probeMaps } from '../hooks/usdt.js'
import type { Module, ModuleMap } from '../module.js'
import { isOlder, type Target } from '../target.js'
import { cTypeOf, u32, u64 } from '../types.js'
import { mapKinds } from './kinds.js'

const BPF_F_NUMA_NODE = 1 << 2

/** The maps of a file, with those that count the records which found no room. */
export function definitionsOf(module: Module, target: Target): Record<string, MapDefinition> {
  const definitions: Record<string, MapDefinition> = {}
  for (const map of module.maps.values()) {
    expectKernel(module, map, target)
    definitions[map.name] = definitionOf(map)
    if (map.countLost) {
      definitions[`${map.name}_lost`] = {
        type: 'percpu_array',
        maxEntries: 1,
        key: cTypeOf(u32),
        value: cTypeOf(u64),
      }
    }
  }
  return { ...definitions, ...probeMaps(module) }
}

/** Refuses a map that no program uses, and that the oldest kernel does not have. */
function expectKernel({ source }: Module, { kind, node }: ModuleMap, { oldestKernel }: Target): void {
  const { since } = mapKinds[kind]!
  if (oldestKernel !== undefined && isOlder(oldestKernel, since))
    source.fail(node, `${kind} needs Linux ${since}, and the object has to load into ${oldestKernel}`)
}

function definitionOf(map: ModuleMap): MapDefinition {
  const { type, key, value, maxEntries, records, flags, inner, slots, pin, numaNode, hashes } = map
  const { family, size } = mapKinds[map.kind]!
  const isPerf = family === 'perf events'
  // libbpf sees from their contents that the values are descriptors.
  const isSlots = family === 'maps' || family === 'programs'
  const mapFlags = flags | (numaNode === undefined ? 0 : BPF_F_NUMA_NODE)
  return {
    type,
    ...(size !== 'none' && { maxEntries }),
    ...(isPerf && { keySize: 4, valueSize: 4 }),
    ...(key && { key: cTypeOf(key) }),
    // What is in an arena is a variable.
    ...(value && family !== 'arena' && (isSlots ? { valueSize: 4 } : { value: cTypeOf(value) })),
    ...(mapFlags !== 0 && { flags: mapFlags }),
    ...(numaNode !== undefined && { numaNode }),
    ...(hashes !== undefined && { extra: BigInt(hashes) }),
    ...(pin && { pinByName: true }),
    ...(inner && { inner: definitionOf(inner) }),
    ...(slots && { values: slots }),
    ...(records?.length === 1 && { tags: [`record:struct ${records[0]!.name}`] }),
  }
}
