import { defineLive, type Live, live, type Memory, sealed } from '../btf/live-memory.js'
import type { BtfTypes } from '../btf/parse.js'
import { type Plan, Planner } from '../btf/plan.js'
import type { BtfDatasec } from '../btf/types.js'
import { byteLength } from '../btf/values.js'
import { BpfError } from '../errors/errors.js'
import type { BpfMap } from '../maps/map.js'
import { sectionMemory } from '../maps/section-memory.js'

/**
 * The global variables of one section by name, with the types from BTF. Structs and arrays are live: `data.config.limit
 * = 5` writes just those four bytes. Strings and byte arrays are copies: assign a new one to change them.
 */
export type Globals = Record<string, unknown>

/** What global variables need from their object. @internal */
export interface GlobalsOwner {
  readonly name: string
  readonly types: BtfTypes
  /** Whether loading has begun. From then on `.rodata` cannot be changed. */
  readonly loadTried: boolean
}

/**
 * Creates an object with a property for each variable of the section that the map holds. Before load the properties
 * read and write the initial values, and then the memory that the programs use.
 *
 * @internal
 */
export function globalsOf(owner: GlobalsOwner, map: BpfMap): Globals {
  const { types } = owner
  const section = sectionOf(types, map)
  const globals = {}
  if (section === undefined) return globals
  const bytes = sectionMemory(map)
  const memory: Memory = {
    littleEndian: types.littleEndian,
    read: bytes.read,
    write: (offset, source, path) => {
      const reason = whyReadOnly(section.name, owner.loadTried, path)
      if (reason !== undefined) {
        throw new BpfError(`object '${owner.name}': ${section.name} is read-only${reason}`, {
          code: 'ERR_BPF_STATE',
          object: owner.name,
          map: map.name,
        })
      }
      bytes.write(offset, source)
    },
  }
  const planner = new Planner(types, false)
  for (const { typeId, offset, size } of section.variables) {
    const variable = types.resolve(typeId)
    // Two functions can each have a static variable with this name. Only the first one is reachable.
    if (variable.kind !== 'var' || Object.hasOwn(globals, variable.name)) continue
    const isLast = offset + size === section.size
    const room = () => (isLast ? map.valueSize - offset : size)
    defineLive(
      globals,
      variable.name,
      variableAt(memory, variable.name, offset, room, () => planner.plan(typeId)),
    )
  }
  return sealed(globals)
}

/**
 * The section's variables in BTF. libbpf forgets the type if the map was resized in a way that does not fit it; then
 * the section is found by name.
 */
function sectionOf(types: BtfTypes, map: BpfMap): BtfDatasec | undefined {
  const type = types.resolve(map.btfValueTypeId)
  if (type.kind === 'datasec') return type
  return types.find(map.name.slice(Math.max(0, map.name.indexOf('.'))), 'datasec')
}

function whyReadOnly(section: string, loadTried: boolean, path: string): string | undefined {
  if (section === '.kconfig') return ": its values come from the kernel and from the option 'kconfig'"
  const variable = path.split(/[.[]/)[0]
  if (section.startsWith('.rodata') && loadTried) return ` once the object is loaded; set ${variable} before`
  return undefined
}

/**
 * One variable. The last variable of a section, if it is an array, grows when `map.valueSize` is increased.
 *
 * @param room - returns the current size in bytes
 */
function variableAt(
  memory: Memory,
  name: string,
  offset: number,
  room: () => number,
  planOf: () => Plan,
): Live {
  let made: { size: number; value: Live } | undefined
  const current = (): Live => {
    const size = room()
    if (made?.size !== size) made = { size, value: live(memory, resized(planOf(), size), offset, name) }
    return made.value
  }
  return { get: () => current().get(), set: (value) => current().set(value) }
}

/** An array with as many items as fit into the size. */
function resized(plan: Plan, size: number): Plan {
  if (byteLength(plan, undefined) === size) return plan
  switch (plan.op) {
    case 'array':
      return plan.stride === 0 ? plan : { ...plan, length: Math.floor(size / plan.stride), flexible: false }
    case 'text':
    case 'bytes':
      return { ...plan, length: size, flexible: false }
    default:
      return plan
  }
}
