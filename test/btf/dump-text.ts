import type { BtfTypes } from '../../lib/btf/parse.js'
import { encodeText } from '../../lib/btf/text.js'
import type { BtfEnum, BtfEnum64, BtfInt, BtfType } from '../../lib/btf/types.js'

/**
 * Compares a value that our codec decoded with what libbpf's `btf_dump__dump_type_data` writes for the same bytes. The
 * text has no names, but includes zeros: `{1,[2,3,],0x4,}`. BTF determines which part of it belongs to which member.
 */
export class DumpReader {
  readonly #btf: BtfTypes
  readonly #text: string
  #at = 0
  /** How many numbers were compared. */
  compared = 0

  constructor(btf: BtfTypes, text: string) {
    this.#btf = btf
    this.#text = text
  }

  /** @param offset - distance in bits from the start of the bytes that libbpf received */
  compare(typeId: number, value: unknown, path: string, offset = 0, bits = 0): void {
    const type = this.#btf.resolve(typeId)
    switch (type.kind) {
      case 'struct':
      case 'union':
        this.#expect('{')
        for (const member of type.members) {
          const inner = member.name === '' ? value : (value as Readonly<Record<string, unknown>>)[member.name]
          const place = member.name === '' ? path : `${path}.${member.name}`
          this.compare(member.typeId, inner, place, offset + member.bitOffset, member.bitfieldSize)
        }
        this.#expect('}')
        break
      case 'array': {
        const items = typeof value === 'string' ? encodeText(value) : (value as ArrayLike<unknown>)
        if (items.length !== type.length)
          throw new Error(`${path}: ${items.length} items, not ${type.length}`)
        const stride = type.length === 0 ? 0 : this.#btf.sizeOf(type.typeId) * 8
        this.#expect('[')
        for (let i = 0; i < type.length; i++) {
          this.compare(type.typeId, items[i], `${path}[${i}]`, offset + i * stride)
        }
        this.#expect(']')
        break
      }
      default: {
        const isEnum = type.kind === 'enum' || type.kind === 'enum64'
        const token = isEnum ? this.#enumToken(type, value) : this.#token()
        if (!this.#same(type, token, value, offset, bits)) {
          throw new Error(`${path}: libbpf says ${token}, we say ${String(value)}`)
        }
        this.compared++
      }
    }
    if (this.#text[this.#at] === ',') this.#at++
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) {
      throw new Error(`'${character}' expected at ...${this.#text.slice(this.#at, this.#at + 20)}`)
    }
    this.#at++
  }

  #token(): string {
    const [token = ''] = /^('\\0'|'.'|[^,{}[\]]*)/s.exec(this.#text.slice(this.#at, this.#at + 80)) ?? []
    this.#at += token.length
    return token
  }

  /**
   * Reads the value of an enum. libbpf writes no comma after a signed value without a name, so the next value follows
   * directly.
   */
  #enumToken(type: BtfEnum | BtfEnum64, value: unknown): string {
    const number = String(value)
    if (!type.signed || !this.#text.startsWith(number, this.#at)) return this.#token()
    this.#at += number.length
    if (this.#text.startsWith('LL', this.#at)) this.#at += 2
    return number
  }

  #same(type: BtfType, token: string, value: unknown, offset: number, bits: number): boolean {
    const ours = BigInt(value as bigint | number | boolean)
    switch (type.kind) {
      case 'enum':
      case 'enum64':
        return this.#sameEnum(type, token, ours, offset, bits)
      case 'ptr':
        return BigInt(token === '(nil)' ? 0 : token) === ours
      case 'int':
        return sameInt(type, token, ours, bits)
      default:
        throw new Error(`${type.kind} is not compared`)
    }
  }

  #sameEnum(type: BtfEnum | BtfEnum64, token: string, ours: bigint, offset: number, bits: number): boolean {
    // libbpf shifts by 64 bits for unaligned enums, which is undefined in C.
    if (bits === 0 && offset % (type.size * 8) !== 0) return true
    const width = bits || type.size * 8
    const number = /^(-?\d+)(U?LL)?$/.exec(token)?.[1]
    const named = type.values.filter(({ name }) => name === token)
    const theirs = number === undefined ? named.map(({ value }) => BigInt(value)) : [BigInt(number)]
    return theirs.some((one) => BigInt.asUintN(width, one) === BigInt.asUintN(width, ours))
  }
}

function sameInt(type: BtfInt, token: string, ours: bigint, bits: number): boolean {
  const theirs = token.startsWith("'") ? BigInt(token === "'\\0'" ? 0 : token.charCodeAt(1)) : BigInt(token)
  if (type.bool) return (theirs !== 0n) === (ours !== 0n)
  // libbpf writes bitfields and 128-bit integers without their sign, and may write chars with another sign.
  const width = bits || type.size * 8
  return BigInt.asUintN(width, theirs) === BigInt.asUintN(width, ours)
}
