import { describe } from '../btf/layout.js'
import { defineLive, type Live, live, type Memory, placeIn, sealed } from '../btf/live-memory.js'
import type { BtfTypes } from '../btf/parse.js'
import { type Plan, Planner } from '../btf/plan.js'
import { attempt } from '../errors/attempt.js'
import { attachableMaps } from '../links/attachment.js'
import type { BpfMap } from '../maps/map.js'
import { mapMemory } from '../maps/mapped-array.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import type { Globals } from './globals.js'

const section = '.addr_space.1'

/** The variables in an arena; `root` is the only one, if it is the struct of an arena in TypeScript. @internal */
export function arenaVariables(
  types: BtfTypes,
  arena: string,
): { variables: readonly ArenaVariable[]; root: ArenaVariable | undefined } {
  const found = new Map<string, ArenaVariable>()
  for (const { typeId, offset } of types.find(section, 'datasec')?.variables ?? []) {
    const variable = types.resolve(typeId)
    if (variable.kind !== 'var' || found.has(variable.name)) continue
    found.set(variable.name, { name: variable.name, id: typeId, typeId: variable.typeId, offset })
  }
  const variables = [...found.values()]
  const [first] = variables
  return { variables, root: first?.name === `${arena}_root` && variables.length === 1 ? first : undefined }
}

interface ArenaVariable {
  readonly name: string
  /** The id of the variable in the object's BTF. */
  readonly id: number
  readonly typeId: number
  /** The offset from the first variable, in bytes. */
  readonly offset: number
}

/**
 * The variables in the arena. If the only one is the struct of an arena in TypeScript, its members instead. @internal
 */
export function arenaOf(types: BtfTypes, maps: Iterable<BpfMap<unknown, unknown>>): Globals {
  const arena = [...maps].find(({ type }) => type === 'arena')
  if (arena === undefined) return sealed({})
  const { variables, root } = arenaVariables(types, arena.name)
  if (variables.length === 0) return sealed({})
  // Throws before the object is loaded.
  arena.fd
  const planner = new Planner(types, false, true)
  const memory = memoryOf(arena, types, planner)
  const start = native.mapArenaVariables(mapHandles.of(arena))
  const variableAt = ({ typeId, offset }: ArenaVariable, path: string): Live =>
    live(memory, planner.plan(typeId), start + offset, path)
  if (root !== undefined) return variableAt(root, arena.name).get() as Globals
  const globals = {}
  for (const variable of variables) defineLive(globals, variable.name, variableAt(variable, variable.name))
  return sealed(globals)
}

/** The memory of an arena, in which pointers are addresses of this process. */
function memoryOf(arena: BpfMap<unknown, unknown>, types: BtfTypes, planner: Planner): Memory {
  const handle = mapMemory(arena, true)
  const [base, size] = [native.memoryAddress(handle), native.memorySize(handle)]
  const { subject } = attachableMaps.of(arena)
  const reading = { ...subject, what: `map '${arena.name}': read` }
  const writing = { ...subject, what: `map '${arena.name}': write` }
  const targets = new Map<number, { plan: Plan; size: number; name: string }>()
  const targetOf = (to: number) => {
    let target = targets.get(to)
    if (target === undefined) {
      target = { plan: planner.plan(to), size: types.sizeOf(to), name: types.type(to).name }
      targets.set(to, target)
    }
    return target
  }
  const memory: Memory = {
    littleEndian: types.littleEndian,
    read: (offset, target) => attempt(reading, () => native.memoryRead(handle, offset, target)),
    write: (offset, source) => attempt(writing, () => native.memoryWrite(handle, offset, source)),
    pointers: {
      follow: (to, address, path) => {
        if (address === 0n) return null
        const at = Number(address - base)
        const target = targetOf(to)
        if (at < 0 || at > size - target.size)
          throw new RangeError(`${path} points out of the arena, to 0x${address.toString(16)}`)
        return live(memory, target.plan, at, target.name).get()
      },
      address: (to, value, path) => {
        if (value === null) return 0n
        // An address in something that was copied, to be stored elsewhere.
        if (typeof value === 'bigint') return value
        const name = describe(types.type(to))
        const at = typeof value === 'object' ? placeIn(memory, value, name) : undefined
        if (at === undefined) throw new TypeError(`${path} has to be null, or a ${name} of this arena`)
        return base + BigInt(at)
      },
    },
  }
  return memory
}
