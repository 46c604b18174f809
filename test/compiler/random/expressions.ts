// Random expressions: each has its text, and computes itself by the rules of docs/kernel-side.md.
import type { Random } from '../../testing/random-programs.js'
import { type Place, within } from './places.js'
import {
  type ArrayOf,
  bool,
  type Chars,
  common,
  complement,
  compute,
  copyOf,
  type Int,
  load,
  networkNumbers,
  numbers,
  promoted,
  type Ref,
  readAs,
  type Struct,
  sizeOf,
  store,
  type Type,
  u8,
  u16,
  u32,
  wrap,
  written,
} from './types.js'
import type { Frame, Table, TableKind } from './world.js'

/** An expression. A literal has no type of its own. */
export interface Expression {
  readonly text: string
  readonly type: Int | undefined
  readonly value: (frame: Frame) => bigint
}

export interface Condition {
  readonly text: string
  /** It is a number, or a pointer: true if it is not 0. */
  readonly isLoose?: boolean
  readonly holds: (frame: Frame) => boolean
}

/** Something that fills memory: a struct, an array, text. */
export interface Bytes {
  readonly text: string
  readonly bytes: (frame: Frame) => Uint8Array
  /** It is named, and not copied: it is read when the map is called. */
  readonly isPlace?: boolean
}

export interface MapOf extends TableKind {
  /** The map that a program finds under this name in a map of maps. */
  readonly table?: string
  readonly key: Type
  readonly value: Type
}

/** A function of the program. */
export interface Callable {
  readonly name: string
  readonly parameters: readonly Type[]
  /** Undefined for void. */
  readonly type: Int | undefined
  /** Maps whose entries it makes or deletes. */
  readonly changes: ReadonlySet<string>
  readonly call: (frame: Frame, args: readonly (bigint | Ref)[]) => bigint
}

/** What a program has outside of its functions. */
export interface Declared {
  readonly structs: readonly Struct[]
  readonly maps: readonly MapOf[]
  /** Maps of maps, with the map that each has at 0. */
  readonly outers: readonly { readonly name: string; readonly inner: MapOf }[]
  readonly rings: readonly { readonly name: string; readonly records: readonly Struct[] }[]
  readonly constants: readonly { readonly text: string; readonly value: bigint }[]
  /** Records may be reserved as dynptrs. */
  readonly hasDynptrs: boolean
}

/** What can be named at some place of a program. */
export interface Scope {
  readonly places: readonly Place[]
  readonly functions: readonly Callable[]
  /** Maps that a pointer points into. An entry that is deleted meanwhile may be anybody's. */
  readonly held: ReadonlySet<string>
  /** The packet can be read here. */
  readonly seesPacket: boolean
}

export const operators = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>', '>>>']
export const isShift = (operator: string): boolean => operator.length > 1
export const literals = [
  0n, 1n, 2n, 3n, 7n, 8n, 31n, 100n, 127n, 128n, 255n, 256n, 32767n, 65535n, 65536n, 0x7fffffffn, 0x80000000n, 0xffffffffn,
  -1n, -2n, -128n, -32768n, -0x80000000n,
] // biome-ignore format: a table
const wide = [0x1_0000_0000n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_fffen]
export const texts = ['', 'a', 'ab', 'abc', 'bash', 'node', 'abcdefg', 'fifteen letters', 'ä']

export const encoder = new TextEncoder()

export abstract class Expressions {
  abstract condition(scope: Scope, depth: number): Condition

  readonly random: Random
  readonly declared: Declared

  constructor(random: Random, declared: Declared) {
    this.random = random
    this.declared = declared
  }

  one<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)]!
  }

  /** True once in so many times. */
  once(times: number): boolean {
    return this.random.below(times) === 0
  }

  numberType(): Int {
    return this.once(12) ? bool : this.one(numbers)
  }

  ints(scope: Scope): Place<Int>[] {
    return scope.places.filter((place): place is Place<Int> => place.type.kind === 'int')
  }

  // ---- Numbers

  literalFor(type: Int): Expression {
    const { constants } = this.declared
    if (this.once(4)) {
      const { text, value } = this.one(constants)
      return { text, type: undefined, value: () => value }
    }
    const value = type.bits === 64 && this.once(3) ? this.one(wide) : this.one(literals)
    const absolute = value < 0n ? -value : value
    const digits = this.once(3) ? `0x${absolute.toString(16)}` : String(absolute)
    const isBig = absolute > BigInt(Number.MAX_SAFE_INTEGER) || this.once(5)
    const text = `${value < 0n ? '-' : ''}${digits}${isBig ? 'n' : ''}`
    return { text: value < 0n ? `(${text})` : text, type: undefined, value: () => value }
  }

  leaf(scope: Scope): Expression {
    const { text, type, at } = this.one(this.ints(scope))
    return { text, type: readAs(type), value: (frame) => load(at(frame), type) }
  }

  expression(scope: Scope, depth: number): Expression {
    if (depth <= 0) return this.leaf(scope)
    switch (this.random.below(20)) {
      case 0:
      case 1: {
        const type = this.numberType()
        const inner = this.expression(scope, depth - 1)
        const text = this.once(4) ? `(${inner.text} as ${type.name})` : `${type.name}(${inner.text})`
        return { text, type, value: (frame) => wrap(type, inner.value(frame)) }
      }
      case 2: {
        const operator = this.one(['-', '~', '+'])
        const inner = this.expression(scope, depth - 1)
        const type = operator === '+' ? inner.type! : promoted(inner.type!)
        const of = (value: bigint): bigint => (operator === '-' ? -value : operator === '~' ? ~value : value)
        return {
          text: `(${operator}${inner.text})`,
          type,
          value: (frame) => wrap(type, of(wrap(type, inner.value(frame)))),
        }
      }
      case 3:
        return this.#choice(scope, depth)
      case 4:
        return this.element(scope, depth) ?? this.leaf(scope)
      case 5:
      case 6:
        return this.call(scope, depth) ?? this.leaf(scope)
      case 7:
        return this.#lookup(scope, depth) ?? this.leaf(scope)
      case 9:
        if (this.once(2)) return this.#binary(scope, depth)
        return this.once(2) ? this.#log2(scope, depth) : this.#checksum(scope, depth)
      case 8:
        if (!scope.seesPacket || this.once(4)) {
          const { name, size } = this.one(this.declared.structs)
          return { text: `u32(sizeof<${name}>())`, type: u32, value: () => BigInt(size) }
        }
        return { text: 'packet.length', type: u32, value: ({ world }) => BigInt(world.packet.length) }
      default:
        return this.#binary(scope, depth)
    }
  }

  #log2(scope: Scope, depth: number): Expression {
    const inner = this.expression(scope, depth - 1)
    const most = this.once(2) ? this.random.below(64) : 63
    return {
      text: `log2(${inner.text}${most === 63 ? '' : `, ${most}`})`,
      type: u32,
      value(frame) {
        const value = inner.value(frame)
        return value < 2n ? 0n : BigInt(Math.min(most, value.toString(2).length - 1))
      },
    }
  }

  /** Of a struct, or what one becomes behind a change. */
  #checksum(scope: Scope, depth: number): Expression {
    const places = scope.places.filter(({ type }) => type.kind === 'struct' && type.size % 2 === 0)
    if (places.length > 0 && this.once(2)) {
      const { text, type, at } = this.one(places)
      return {
        text: `bpf.checksum(${text})`,
        type: u16,
        value(frame) {
          const bytes = copyOf(at(frame), sizeOf(type))
          return complement(
            Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!),
          )
        },
      }
    }
    const [old, from, to] = [u16, u32, u32].map((type) => this.converted(scope, type, depth - 1))
    const halves = (value: bigint): number[] => [Number(value & 0xffffn), Number((value >> 16n) & 0xffffn)]
    return {
      text: `bpf.updateChecksum(${old!.text}, ${from!.text}, ${to!.text})`,
      type: u16,
      value(frame) {
        const [a, b, c] = [old!, from!, to!].map((one) => BigInt.asUintN(32, one.value(frame)))
        return complement([0xffff ^ Number(a), ...halves(b! ^ 0xffff_ffffn), ...halves(c!)])
      },
    }
  }

  #binary(scope: Scope, depth: number): Expression {
    const operator = this.one(operators)
    const left = this.expression(scope, depth - 1)
    const right = isShift(operator) ? this.#by(scope, left, depth) : this.#side(scope, operator, left, depth)
    const type = isShift(operator)
      ? promoted(left.type!)
      : right.type
        ? common(left.type!, right.type)
        : promoted(left.type!)
    const isSwapped = right.type === undefined && !isShift(operator) && !/[/%]/.test(operator) && this.once(3)
    const [first, second] = isSwapped ? [right, left] : [left, right]
    return {
      text: `(${first.text} ${operator} ${second.text})`,
      type,
      value(frame) {
        const a = first.value(frame)
        return compute(operator, type, a, second.value(frame))
      },
    }
  }

  #side(scope: Scope, operator: string, left: Expression, depth: number): Expression {
    if (!/[/%]/.test(operator) && this.once(4)) return this.literalFor(promoted(left.type!))
    if (/[/%]/.test(operator) && this.once(3)) {
      const value = this.one([1n, 2n, 3n, 7n, 8n, 10n, 255n, 1000n])
      return { text: String(value), type: undefined, value: () => value }
    }
    return this.expression(scope, depth - 1)
  }

  #by(scope: Scope, left: Expression, depth: number): Expression {
    const by = this.once(2) ? this.expression(scope, depth - 1) : undefined
    // The compiler refuses a constant that is too large, which a size may be.
    if (by && !by.text.includes('sizeof')) return by
    const value = BigInt(this.random.below(promoted(left.type!).bits))
    return { text: String(value), type: undefined, value: () => value }
  }

  /** One of two numbers: the second one if the first one is 0, or if it is not. */
  #logical(scope: Scope, depth: number): Expression {
    const [first, second] = [this.expression(scope, depth - 1), this.expression(scope, depth - 1)]
    const isOr = this.once(2)
    const areBools = first.type!.name === 'bool' && second.type!.name === 'bool'
    const type = areBools ? bool : common(first.type!, second.type!)
    return {
      text: `(${first.text} ${isOr ? '||' : '&&'} ${second.text})`,
      type,
      value(frame) {
        const value = first.value(frame)
        return wrap(type, (value !== 0n) === isOr ? value : second.value(frame))
      },
    }
  }

  #choice(scope: Scope, depth: number): Expression {
    if (this.once(3)) return this.#logical(scope, depth)
    const test = this.condition(scope, depth - 1)
    const yes = this.expression(scope, depth - 1)
    const no = this.once(4) ? this.literalFor(promoted(yes.type!)) : this.expression(scope, depth - 1)
    const type = no.type ? common(yes.type!, no.type) : promoted(yes.type!)
    return {
      text: `(${test.text} ? ${yes.text} : ${no.text})`,
      type,
      value: (frame) => wrap(type, test.holds(frame) ? yes.value(frame) : no.value(frame)),
    }
  }

  /** An element by an index that is only known when the program runs. */
  element(scope: Scope, depth: number, isWritten = false): (Expression & { place: Place<Int> }) | undefined {
    const arrays = scope.places.filter(
      (place): place is Place<ArrayOf | Chars> =>
        (place.type.kind === 'array' || place.type.kind === 'chars') &&
        (place.type.length & (place.type.length - 1)) === 0 &&
        !(isWritten && place.isConst),
    )
    if (arrays.length === 0) return undefined
    const array = this.one(arrays)
    const of = array.type.kind === 'chars' ? u8 : array.type.of
    const index = this.expression(scope, depth - 1)
    const mask = BigInt(array.type.length - 1)
    const at = (frame: Frame): Ref => {
      const ref = array.at(frame)
      return { bytes: ref.bytes, at: ref.at + Number(index.value(frame) & mask) * sizeOf(of) }
    }
    // The compiler refuses a constant beyond the end, which a size may be.
    const masked = index.text.includes('sizeof') ? `${index.text} & ${mask}` : index.text
    const whole = { root: array.root, text: `${array.text}[${masked}]`, type: of, at }
    const numbers = within(whole).filter((place): place is Place<Int> => place.type.kind === 'int')
    if (numbers.length === 0) return undefined
    const place = this.one(numbers)
    return {
      text: place.text,
      type: readAs(place.type),
      value: (frame) => load(place.at(frame), place.type),
      place,
    }
  }

  /** A call of one of the program's functions that returns a number. */
  call(scope: Scope, depth: number, isVoid = false): Expression | undefined {
    const fitting = scope.functions.filter(
      ({ type, changes, parameters }) =>
        (type === undefined) === isVoid &&
        ![...changes].some((map) => scope.held.has(map)) &&
        parameters.every((type) => type.kind === 'int' || this.#passed(scope, type).length > 0),
    )
    if (fitting.length === 0) return undefined
    const fn = this.one(fitting)
    const args = fn.parameters.map((type) => {
      if (type.kind !== 'int') {
        const { text, at } = this.one(this.#passed(scope, type))
        return { text, give: at }
      }
      const { text, value } = this.converted(scope, type, Math.max(0, depth - 1))
      return { text, give: value }
    })
    return {
      text: `${fn.name}(${args.map(({ text }) => text).join(', ')})`,
      type: fn.type,
      value: (frame) =>
        fn.call(
          frame,
          args.map(({ give }) => give(frame)),
        ),
    }
  }

  /** Structs and text that can be passed. */
  #passed(scope: Scope, type: Type): Place[] {
    return scope.places.filter((place) => written(place.type) === written(type) && !place.isConst)
  }

  /** A number of a type: an expression that is cut off. */
  converted(scope: Scope, type: Int, depth: number): Expression {
    if (type.big) {
      const as = readAs(type)
      return this.converted(scope, as, depth)
    }
    if (type.name !== 'bool' && !type.signed && this.once(8)) return this.#fitting(scope, type, depth)
    if (type.name !== 'bool' && this.once(6)) {
      const value = this.one(literals.filter((value) => wrap(type, value) === value))
      return { text: String(value), type: undefined, value: () => value }
    }
    if (type.name === 'bool' && this.once(2)) {
      const { text, holds, isLoose } = this.condition(scope, depth)
      return {
        text: isLoose ? `!!(${text})` : `(${text})`,
        type,
        value: (frame) => (holds(frame) ? 1n : 0n),
      }
    }
    const inner = this.expression(scope, depth)
    return {
      text: `${type.name}(${inner.text})`,
      type,
      value: (frame) => wrap(type, inner.value(frame)),
    }
  }

  /** A number that fits without being cut off: behind a mask or a shift. */
  #fitting(scope: Scope, type: Int, depth: number): Expression {
    const inner = this.expression(scope, depth)
    const own = promoted(inner.type!)
    const by = own.bits - Math.min(own.bits, type.bits)
    const shift = by + this.random.below(own.bits - by)
    const [operator, right] =
      own.signed || this.once(2)
        ? ['&', this.one([1n, 3n, 7n, 100n, 127n, type.bits < 32 ? (1n << BigInt(type.bits)) - 1n : 0xffn])]
        : ['>>', BigInt(shift)]
    return {
      text: `(${inner.text} ${operator} ${right})`,
      type: undefined,
      value: (frame) => compute(operator, own, inner.value(frame), right),
    }
  }

  // ---- Maps

  maps(...words: readonly string[]): MapOf[] {
    return this.declared.maps.filter(({ word }) => words.includes(word))
  }

  /** `map.get(key)?.member ?? otherwise` */
  #lookup(scope: Scope, depth: number): Expression | undefined {
    const maps = this.maps('hash', 'array', 'percpuHash', 'percpuArray')
    if (maps.length === 0) return undefined
    const map = this.one(maps)
    const key = this.fill(scope, map.key, depth - 1, true)
    const inside = within({
      root: '',
      text: '',
      type: map.value,
      at: () => ({ bytes: new Uint8Array(0), at: 0 }),
    })
    const { text, type, at } = this.one(
      inside.filter((place): place is Place<Int> => place.type.kind === 'int'),
    )
    const offset = at(undefined as never).at
    const otherwise = this.once(2) ? this.literalFor(promoted(type)) : this.expression(scope, depth - 1)
    const result = otherwise.type ? common(type, otherwise.type) : promoted(type)
    return {
      text: `(${map.name}.get(${key.text})?${text === '' ? '.value' : text.replace(/^\[/, '.[')} ?? ${otherwise.text})`,
      type: result,
      value(frame) {
        const found = tableOf(frame, map).get(key.bytes(frame))
        if (found === undefined) return wrap(result, otherwise.value(frame))
        return wrap(result, load({ bytes: found.bytes, at: offset }, type))
      },
    }
  }

  /** Bytes for a key, a value, or a struct that is assigned. @param isKey - few of them, so that some are met again */
  fill(scope: Scope, type: Type, depth: number, isKey = false): Bytes {
    const size = sizeOf(type)
    switch (type.kind) {
      case 'int': {
        const inner = this.converted(scope, type, depth)
        const number: Expression =
          isKey && type.name !== 'bool' && inner.type !== undefined
            ? { ...inner, text: `${readAs(type).name}(${inner.text} & 3)`, value: (f) => inner.value(f) & 3n }
            : inner
        return {
          text: number.text,
          bytes(frame) {
            const bytes = new Uint8Array(size)
            store({ bytes, at: 0 }, type, number.value(frame))
            return bytes
          },
        }
      }
      case 'chars':
        return this.text(scope, type.length)
      case 'array': {
        const places = this.#wholes(scope, type)
        if (places.length > 0 && this.once(2)) return copied(this.one(places))
        const parts = Array.from({ length: type.length }, () => this.fill(scope, type.of, depth, isKey))
        return {
          text: `[${parts.map(({ text }) => text).join(', ')}]`,
          bytes: (frame) => new Uint8Array(Buffer.concat(parts.map(({ bytes }) => bytes(frame)))),
        }
      }
      case 'struct': {
        const places = this.#wholes(scope, type)
        if (places.length > 0 && this.once(3)) return copied(this.one(places))
        return this.literal(scope, type, depth, isKey)
      }
    }
  }

  #wholes(scope: Scope, type: Type): Place[] {
    return scope.places.filter((place) => written(place.type) === written(type))
  }

  /** `{ a: 1, b: 2 }`, whose members stand in any order. */
  literal(scope: Scope, type: Struct, depth: number, isKey = false): Bytes {
    const order = [...type.members]
    if (this.once(3)) order.reverse()
    const parts = order.map((member) => ({ ...member, value: this.fill(scope, member.type, depth, isKey) }))
    return {
      text: `{ ${parts.map(({ name, value }) => `${name}: ${value.text}`).join(', ')} }`,
      bytes(frame) {
        const bytes = new Uint8Array(type.size)
        for (const { value, offset } of parts) bytes.set(value.bytes(frame), offset)
        return bytes
      },
    }
  }

  // ---- Text

  /** Text for a `char<length>`: a literal, or another text that is not longer. */
  text(scope: Scope, length: number): Bytes {
    const places = scope.places.filter(
      (place): place is Place<Chars> => place.type.kind === 'chars' && place.type.length <= length,
    )
    if (places.length > 0 && this.once(2)) {
      const { text, at, type } = this.one(places)
      return {
        text,
        bytes(frame) {
          const bytes = new Uint8Array(length)
          bytes.set(copyOf(at(frame), type.length))
          return bytes
        },
      }
    }
    const literal = this.one(texts.filter((text) => encoder.encode(text).length < length))
    return {
      text: `'${literal}'`,
      bytes() {
        const bytes = new Uint8Array(length)
        bytes.set(encoder.encode(literal))
        return bytes
      },
    }
  }

  /** A type of a member, a value or a variable. */
  memberType(structs: readonly Struct[] = []): Type {
    switch (this.random.below(12)) {
      case 0:
      case 1:
        return { kind: 'chars', length: this.one([4, 7, 8, 16]) }
      case 2: {
        if (this.once(4)) return { kind: 'array', of: u8, length: this.one([4, 6, 8]), isBytes: true }
        const of = this.once(2) ? this.memberType(structs) : this.one(numbers)
        const array: Type = { kind: 'array', of, length: this.one([2, 3, 4]) }
        return sizeOf(array) > 48 ? of : array
      }
      case 3:
      case 4:
        return this.one(networkNumbers)
      case 5:
        if (structs.length > 0) return this.one(structs)
        return bool
      default:
        return this.numberType()
    }
  }
}

function copied({ text, at, type }: Place): Bytes {
  return { text, bytes: (frame) => copyOf(at(frame), sizeOf(type)), isPlace: true }
}

export function tableOf({ world }: Frame, { name, table = name }: MapOf): Table {
  return world.tables.get(table)!
}
