// Values of the command line as codecs take them: names of enums, 64-bit numbers as text, bytes as hexadecimal digits.
import { fieldsIn, groupOf, resolve } from '../btf/layout.js'
import type { BtfTypes } from '../btf/parse.js'
import { didYouMean } from '../errors/nearest.js'
import { Failed } from './command.js'

/**
 * The inverse of what `map dump --json` prints.
 *
 * @param bitfield - the width of a bitfield; 0 for other values
 */
export function fromJson(types: BtfTypes, typeId: number, value: unknown, bitfield = 0): unknown {
  const type = resolve(types, typeId)
  switch (type.kind) {
    case 'enum':
    case 'enum64': {
      const bits = bitfield || 8 * type.size
      if (typeof value !== 'string') return integer(value, bits)
      const found = type.values.find(({ name }) => name === value)
      if (found !== undefined) return integer(found.value, bits)
      if (isNumber(value)) return integer(value, bits)
      const names = type.values.map(({ name }) => name)
      throw new Failed(`enum ${type.name} has no value '${value}'${didYouMean(value, names)}`)
    }
    case 'int':
      return integer(value, bitfield || 8 * type.size)
    case 'ptr':
      return integer(value, 64)
    case 'array': {
      const item = types.type(type.typeId)
      if (typeof value === 'string') {
        const isText = item.kind === 'int' && item.name === 'char'
        return isText || !/^(?:[\da-f]{2})*$/i.test(value)
          ? value
          : Uint8Array.from(Buffer.from(value, 'hex'))
      }
      return Array.isArray(value) ? value.map((one) => fromJson(types, type.typeId, one)) : value
    }
    case 'struct':
    case 'union':
    case 'datasec': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
      const fields = new Map(fieldsIn(groupOf(types, type)).map((field) => [field.name, field]))
      return Object.fromEntries(
        Object.entries(value).map(([name, one]) => {
          const field = fields.get(name)
          if (field === undefined)
            throw new Failed(
              `${type.kind} ${type.name} has no member '${name}'${didYouMean(name, fields.keys())}`,
            )
          return [name, fromJson(types, field.typeId, one, field.bitfieldSize)]
        }),
      )
    }
    default:
      return value
  }
}

/** Codecs take bigints for what does not fit 32 bits, and numbers for the rest. */
function integer(value: unknown, bits: number): unknown {
  const isInteger =
    Number.isInteger(value) || typeof value === 'bigint' || (typeof value === 'string' && isNumber(value))
  if (!isInteger) return value
  return bits > 32 ? BigInt(value as bigint) : Number(value)
}

const isNumber = (text: string): boolean => /^(?:-?\d+|0x[\da-f]+)$/i.test(text)
