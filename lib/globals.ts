import { compile } from './btf/codec.js'
import type { BtfTypes } from './btf/parse.js'
import { BpfError } from './errors.js'
import type { BpfMap } from './map.js'

/** The global variables of one section, by name; each is what its type in BTF makes it. */
export type Globals = Record<string, unknown>

/** What globals need of their object. @internal */
export interface GlobalsOwner {
  readonly name: string
  readonly types: BtfTypes
  /** Load was tried: `.rodata` is as it is from then on. */
  readonly loadTried: boolean
}

/**
 * Makes an object with a property for each variable in the section that the map holds. Reading one reads the section's memory, before load the
 * initial value; assigning to one writes it.
 *
 * @internal
 */
export function globalsOf(owner: GlobalsOwner, map: BpfMap): Globals {
  const section = owner.types.resolve(map.btfValueTypeId)
  const globals: Globals = {}
  if (section.kind !== 'datasec') return globals
  const isReadOnly = section.name.startsWith('.rodata') || section.name === '.kconfig'
  for (const { typeId, offset, size } of section.variables) {
    const variable = owner.types.resolve(typeId)
    if (variable.kind !== 'var') continue
    const bytes = new Uint8Array(size)
    const view = new DataView(bytes.buffer)
    const codec = lazily(() => compile(owner.types, variable.typeId, { name: variable.name }))
    Object.defineProperty(globals, variable.name, {
      enumerable: true,
      get: () => {
        map.readMemory(offset, bytes)
        return codec().decode(view, 0)
      },
      set: (value: unknown) => {
        if (isReadOnly && owner.loadTried) {
          throw new BpfError(
            `object '${owner.name}': ${section.name} is read-only once the object is loaded, set ${variable.name} before`,
            { code: 'ERR_BPF_STATE', object: owner.name, map: map.name },
          )
        }
        codec().encode(value, view, 0)
        map.writeMemory(offset, bytes)
      },
    })
  }
  return Object.seal(globals)
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
