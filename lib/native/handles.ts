import type { MapHandle, ProgramHandle } from '../../types/binding.js'

/** Gives one module access to the private state of another module's class, without importing the class. */
export interface Registry<Inside> {
  /** The module that declares the class calls this once. */
  register(read: (object: object) => Inside | undefined): void
  /** @throws TypeError if `object` is not an instance of the class */
  of(object: object): Inside
}

export function registry<Inside>(mistake: string): Registry<Inside> {
  let read: (object: object) => Inside | undefined = () => undefined
  return {
    register(reader) {
      read = reader
    },
    of(object) {
      const isObject = typeof object === 'object' && object !== null
      const inside = isObject ? read(object) : undefined
      if (inside === undefined) throw new TypeError(mistake)
      return inside
    },
  }
}

export const programHandles = registry<ProgramHandle>('program is not a Program of libbpf-node')
export const mapHandles = registry<MapHandle>('map is not a BpfMap of libbpf-node')
