import { defineLive, type Live, live, type Memory, placeIn, sealed } from '../btf/live-memory.js'
import { describe } from '../btf/layout.js'
import type { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { attempt } from '../errors/attempt.js'
import { attachableMaps } from '../links/attachment.js'
import type { BpfMap } from '../maps/map.js'
import { mapMemory } from '../maps/mapped-array.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import type { Globals } from './globals.js'

const section = '.addr_space.1'

/** The variables in the arena, or the members of the only one if it is the struct of an arena in TypeScript. @internal */
export function arenaOf(types: BtfTypes, maps: Iterable<BpfMap<unknown, unknown>>): Globals {
  const arena = [...maps].find(({ type }) => type === 'arena')
  const variables = types.find(section, 'datasec')?.variables ?? []
  if (arena === undefined || variables.length === 0) return sealed({})
  // Throws before the object is loaded.
  arena.fd
  const planner = new Planner(types, false, true)
  const memory = memoryOf(arena, types, planner)
  const start = native.mapArenaVariables(mapHandles.of(arena))
  const globals = {}
  for (const { typeId, offset } of variables) {
    const variable = types.resolve(typeId)
    if (variable.kind !== 'var' || Object.hasOwn(globals, variable.name)) continue
    const isRoot = variable.name === `${arena.name}_root`
    const value = live(memory, planner.plan(typeId), start + offset, isRoot ? arena.name : variable.name)
    if (isRoot && variables.length === 1) return value.get() as Globals
    defineLive(globals, variable.name, value)
  }
  return sealed(globals)
}

/** The memory of an arena, in which pointers are addresses of this process. */
function memoryOf(arena: BpfMap<unknown, unknown>, types: BtfTypes, planner: Planner): Memory {
  const handle = mapMemory(arena, true)
  const [base, size] = [native.memoryAddress(handle), native.memorySize(handle)]
  const { subject } = attachableMaps.of(arena)
  const reading = { ...subject, what: `map '${arena.name}': read` }
  const writing = { ...subject, what: `map '${arena.name}': write` }
  const memory: Memory = {
    littleEndian: types.littleEndian,
    read: (offset, target) => attempt(reading, () => native.memoryRead(handle, offset, target)),
    write: (offset, source) => attempt(writing, () => native.memoryWrite(handle, offset, source)),
    pointer: (to, offset, path): Live => ({
      get: () => {
        const bytes = new Uint8Array(8)
        memory.read(offset, bytes)
        const address = new DataView(bytes.buffer).getBigUint64(0, memory.littleEndian)
        if (address === 0n) return null
        const at = address - base
        if (at < 0n || at > BigInt(size - types.sizeOf(to)))
          throw new RangeError(`${path} points out of the arena, to 0x${address.toString(16)}`)
        return live(memory, planner.plan(to), Number(at), types.type(to).name).get()
      },
      set: (value) => {
        const name = describe(types.type(to))
        const at = typeof value === 'object' && value !== null ? placeIn(memory, value, name) : undefined
        if (value !== null && at === undefined)
          throw new TypeError(`${path} has to be null, or a ${name} of this arena`)
        const bytes = new Uint8Array(8)
        const address = at === undefined ? 0n : base + BigInt(at)
        new DataView(bytes.buffer).setBigUint64(0, address, memory.littleEndian)
        memory.write(offset, bytes, path)
      },
    }),
  }
  return memory
}
