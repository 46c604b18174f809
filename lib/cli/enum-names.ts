import { inspect } from 'node:util'
import { fieldsIn, groupOf, resolve } from '../btf/layout.js'
import type { BtfTypes } from '../btf/parse.js'
import { visible } from './command.js'

type Namer = (value: unknown) => unknown

/** The value of an enum, shown and written as its name. */
class Enumerator {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  toJSON(): string {
    return this.#name
  }

  [inspect.custom](): string {
    return visible(this.#name)
  }
}

/**
 * Returns a function that replaces enum values in a decoded value by their names, as bpftool does, or `undefined` if
 * the type contains no enum. Values without a name stay numbers.
 */
export function enumNamer(types: BtfTypes, typeId: number): Namer | undefined {
  const type = resolve(types, typeId)
  switch (type.kind) {
    case 'enum':
    case 'enum64': {
      // If several have the same value, the first name counts. A bitfield of a 64-bit enum may be decoded as a number.
      const names = new Map(type.values.toReversed().map(({ name, value }) => [BigInt(value), name]))
      return (value) => {
        const isInteger = typeof value === 'bigint' || Number.isInteger(value)
        const name = isInteger ? names.get(BigInt(value as bigint)) : undefined
        return name === undefined ? value : new Enumerator(name)
      }
    }
    case 'array':
      return eachElement(enumNamer(types, type.typeId))
    case 'var':
      return enumNamer(types, type.typeId)
    case 'struct':
    case 'union':
    case 'datasec': {
      const fields = fieldsIn(groupOf(types, type)).flatMap(({ name, typeId }) => {
        const namer = enumNamer(types, typeId)
        return namer === undefined ? [] : [[name, namer] as const]
      })
      if (fields.length === 0) return undefined
      return (value) => {
        // Bytes, if the value could not be decoded.
        if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
        const named: Record<string, unknown> = { ...value }
        for (const [name, namer] of fields) named[name] = namer(named[name])
        return named
      }
    }
    default:
      return undefined
  }
}

/** For arrays, and for the values of per-CPU maps. */
export function eachElement(namer: Namer | undefined): Namer | undefined {
  return namer && ((value) => (Array.isArray(value) ? value.map(namer) : value))
}
