import * as fault from './fault.js'
import type { Frame, Raw } from './frame.js'
import {
  type ArrayPlan,
  type BitsPlan,
  type FieldPlan,
  fieldsOfMember,
  type IntPlan,
  isFlexible,
  isOptional,
  type MemberPlan,
  type Plan,
  type RecordPlan,
} from './plan.js'
import { readText } from './text.js'
import * as values from './values.js'

/** The functions that generated code calls as `rt`. */
const runtime = { ...fault, ...values, readText }

/** The longest array that is read without a loop. */
const unrolled = 8

/**
 * Records with this many members are made by a constructor. V8 makes a slow dictionary of an object literal with 128 or
 * more members, but keeps what a constructor makes fast up to about 370.
 */
const large = { least: 128, most: 320 }

/** Makes a codec by generating its source. It is as fast as code that is written by hand for the type. */
export function generate(plan: Plan, littleEndian: boolean, frame: Frame): Raw {
  const source = codecSource(plan, littleEndian, frame.size)
  // Every name in the source went through JSON.stringify. Everything else is a number or a word of our own.
  return new Function('rt', 'frame', source)(runtime, frame) as Raw
}

/** Writes JavaScript that returns a {@link Raw} codec. It calls functions of `rt` and `frame`. */
function codecSource(plan: Plan, littleEndian: boolean, size: number): string {
  const generator = new Generator(littleEndian)
  const raw = generator.raw(plan, size)
  return `'use strict'\n${generator.helpers()}\nreturn ${raw}`
}

/** The style of the source. lib/codegen writes TypeScript into a file. */
export interface SourceStyle {
  /** Whether to write types. */
  readonly typed: boolean
  /** What follows `encode` and `decode` in the names of functions for a record. Without it, they are numbered. */
  readonly nameOf: (plan: RecordPlan) => string | undefined
}

const javascript: SourceStyle = { typed: false, nameOf: () => undefined }

/** Writes codecs as source. Codecs of one generator share the functions for records that occur in several of them. */
export class Generator {
  readonly #endian: string
  readonly #style: SourceStyle
  readonly #functions: string[] = []
  /** The names of each record's members, as JSON. */
  readonly #constants: string[] = []
  readonly #names = new Map<string, Map<Plan, string>>()
  readonly #bodies = new Map<string, string>()
  /** The names of constructors for large records, by their source. */
  readonly #constructors = new Map<string, string>()
  readonly #taken = new Set<string>()

  constructor(littleEndian: boolean, style = javascript) {
    this.#endian = String(littleEndian)
    this.#style = style
  }

  /**
   * Writes an object literal with the functions of a {@link Raw} codec. In typed source, `type` is the type of its
   * values.
   */
  raw(plan: Plan, size: number, type = 'unknown'): string {
    const flexible = isFlexible(plan)
    const read = `return ${this.#read(plan, 'o', '""')}`
    const write = this.#write(plan, 'o', '')
    const t = this.#typed
    return `{
  decode(v${t(': DataView')}, o = 0, n${t('?: number')})${t(`: ${type}`)} {
    ${flexible ? 'let' : 'const'} end = n === undefined ? o + ${size} : o + n
    if (!(o >= 0 && end >= o + ${size} && end <= v.byteLength)) frame.tooShort(v, o, n)
    ${flexible ? 'if (n === undefined) end = 0' : ''}
    ${this.#canFail(plan) ? `try { ${read} } catch (e) { frame.raise(e) }` : read}
  },
  encode(x${t(': unknown')}, v${t(': DataView')}, o = 0)${t(': void')} {
    const end = o + ${flexible ? 'frame.byteLength(x)' : size}
    if (!(o >= 0 && end <= v.byteLength)) frame.noRoom(v, o, end - o)
    ${plan.op === 'int' || plan.op === 'big' ? '' : 'rt.zero(v, o, end - o)'}
    try { ${write} } catch (e) { frame.raise(e) }
  },
}
`
  }

  /** Writes the functions and constants that the literals of `raw` use. */
  helpers(): string {
    const set = `new Set${this.#typed('<string>')}`
    const constants = this.#constants.map((names, i) => `const known${i} = ${set}(${names})`)
    return [...constants, ...this.#functions].join('\n')
  }

  /** Returns the text in typed source, and nothing otherwise. */
  readonly #typed = (text: string): string => (this.#style.typed ? text : '')

  /**
   * Returns the name of the function that does `what` with a plan, and writes the function when it is first needed.
   */
  #function(what: string, plan: Plan, parameters: string[], body: () => string): string {
    const names = this.#names.get(what) ?? new Map<Plan, string>()
    this.#names.set(what, names)
    let name = names.get(plan)
    if (name === undefined) {
      const text = body()
      const source = `(${parameters.map((one) => this.#parameter(one, text)).join(', ')}) ${text}`
      // A record at the end of another one has a plan of its own, but usually its source is the same.
      const key = `${what} ${plan.op === 'record' ? plan.name : ''} ${source}`
      name = this.#bodies.get(key)
      if (name === undefined) {
        name = this.#newName(what, plan)
        this.#bodies.set(key, name)
        this.#functions.push(`function ${name}${source}`)
      }
      names.set(plan, name)
    }
    return name
  }

  #newName(what: string, plan: Plan): string {
    const given = plan.op === 'record' ? this.#style.nameOf(plan) : undefined
    const base = given === undefined ? what : `${what}${given}`
    let name = given === undefined ? `${base}0` : base
    for (let i = 1; this.#taken.has(name); i++) name = given === undefined ? `${base}${i}` : `${base}_${i}`
    this.#taken.add(name)
    return name
  }

  /** Writes a parameter with its type. In typed source, the name of an unused parameter begins with `_`. */
  #parameter(name: string, body: string): string {
    if (!this.#style.typed) return name
    const type = name === 'v' ? 'DataView' : name === 'value' ? 'unknown' : 'number'
    const isUsed = new RegExp(`\\b${name}\\b`).test(body.replace(/"(?:[^"\\]|\\.)*"/g, ''))
    return `${isUsed ? '' : '_'}${name}: ${type}`
  }

  /** Writes the last argument of a DataView's method. A single byte has no byte order. */
  #order(bytes: number): string {
    return bytes === 1 ? '' : `, ${this.#endian}`
  }

  /** Writes an expression for the value at offset `at`. `path` is source for its path in an error. */
  #read(plan: Plan, at: string, path: string): string {
    const le = this.#endian
    switch (plan.op) {
      case 'int':
        return `v.get${accessor(plan)}(${at}${this.#order(plan.size)})`
      case 'big':
        if (plan.size === 4) return `BigInt(v.getUint32(${at}, ${le}))`
        if (plan.size === 16) {
          const big = `rt.read128(v, ${at}, ${plan.signed}, ${le})`
          return plan.asNumber ? `rt.safe(${big}, ${path})` : big
        }
        if (plan.asNumber) return `rt.readSafe64(v, ${at}, ${plan.signed}, ${le}, ${path})`
        return this.#read64(at, plan.signed)
      case 'bits':
        return this.#readBits(plan, at, path)
      case 'bool':
        return `v.getUint${plan.size * 8}(${at}${this.#order(plan.size)}) !== 0`
      case 'float':
        return `v.getFloat${plan.size * 8}(${at}, ${le})`
      case 'text':
        return `rt.readText(v, ${at}, ${plan.flexible ? `rt.room(${at}, end, 1)` : plan.length})`
      case 'bytes':
        return `rt.readBytes(v, ${at}, ${plan.flexible ? `rt.room(${at}, end, 1)` : plan.length})`
      case 'array':
        return this.#readArray(plan, at)
      case 'record': {
        const name = this.#function('decode', plan, placed(plan), () => this.#recordReader(plan))
        return `${name}(v, ${at}${plan.flexible ? ', end' : ''})`
      }
    }
  }

  /**
   * In Node.js 20 and 22, getBigUint64 is a call and takes twice as long as this, which compiles to a few instructions.
   */
  #read64(at: string, signed: boolean): string {
    const le = this.#endian
    const [low, high] = le === 'true' ? [at, add(at, 4)] : [add(at, 4), at]
    const words = `(BigInt(v.getUint32(${high}, ${le})) << 32n) + BigInt(v.getUint32(${low}, ${le}))`
    return `BigInt.as${signed ? 'Int' : 'Uint'}N(64, ${words})`
  }

  #readBits(plan: BitsPlan, at: string, path: string): string {
    const { bytes, shift, width, signed } = plan
    if (!isNarrow(plan)) {
      const bits = `rt.readBits(v, ${at}, ${bytes}, ${shift}, ${width}, ${signed}, ${this.#endian})`
      if (plan.as === 'bigint') return bits
      if (plan.as === 'boolean') return `${bits} !== 0n`
      return plan.checked ? `rt.safe(${bits}, ${path})` : `Number(${bits})`
    }
    const word = `v.getUint${bytes * 8}(${at}${this.#order(bytes)})`
    if (signed && plan.as === 'number') return `${word} << ${32 - shift - width} >> ${32 - width}`
    const bits = width === 32 ? word : `(${word} >>> ${shift} & ${maskOf(plan)})`
    return plan.as === 'boolean' ? `${bits} !== 0` : bits
  }

  #readArray(plan: ArrayPlan, at: string): string {
    const { item, length, stride, flexible } = plan
    if (!flexible && length <= unrolled && !this.#canFail(item)) {
      const items = Array.from({ length }, (_, i) => this.#read(item, add(at, i * stride), '""'))
      return `[${items.join(', ')}]`
    }
    const name = this.#function('list', plan, placed(plan), () => {
      const loop = `for (; i < n; i++, o += ${stride}) list.push(${this.#read(item, 'o', '""')})`
      return `{
  const list = []
  const n = ${flexible ? `rt.room(o, end, ${stride})` : length}
  let i = 0
  ${this.#canFail(item) ? `try { ${loop} } catch (e) { rt.within(e, \`[\${i}]\`) }` : loop}
  return list
}`
    })
    return `${name}(v, ${at}${flexible ? ', end' : ''})`
  }

  #recordReader(plan: RecordPlan): string {
    if (isLarge(plan)) {
      const parameters = placed(plan).join(', ')
      return `{\n  return new ${this.#constructorOf(plan, parameters)}(${parameters})\n}`
    }
    const members = plan.fields.map((field) => `${key(field.name)}: ${this.#readField(field)},`)
    return `{\n  return {\n    ${members.join('\n    ')}\n  }\n}`
  }

  /** Writes the constructor for a large record, and returns its name. */
  #constructorOf(plan: RecordPlan, parameters: string): string {
    const members = plan.fields.map(
      (field) => `this[${JSON.stringify(field.name)}] = ${this.#readField(field)}`,
    )
    const type = this.#typed(`<${this.#style.nameOf(plan) ?? 'object'}>`)
    const source = `rt.plainConstructor${type}(function (${parameters}) {\n  ${members.join('\n  ')}\n})`
    let name = this.#constructors.get(source)
    if (name === undefined) {
      name = `Record${this.#constructors.size}`
      this.#constructors.set(source, name)
      this.#functions.push(`const ${name} = ${source}`)
    }
    return name
  }

  #readField({ name, offset, plan }: FieldPlan): string {
    const at = add('o', offset)
    const step = JSON.stringify(`.${name}`)
    if ((plan.op !== 'record' && plan.op !== 'array') || !this.#canFail(plan))
      return this.#read(plan, at, step)
    return `(() => { try { return ${this.#read(plan, at, '""')} } catch (e) { rt.within(e, ${step}) } })()`
  }

  readonly #failing = new Map<Plan, boolean>()

  /** Whether decoding can fail because a value may be too large for a number. */
  #canFail(plan: Plan): boolean {
    if (plan.op === 'array') return this.#canFail(plan.item)
    if (plan.op === 'big') return plan.asNumber
    if (plan.op === 'bits') return plan.as === 'number' && plan.checked
    if (plan.op !== 'record') return false
    let result = this.#failing.get(plan)
    if (result === undefined) {
      result = plan.fields.some((field) => this.#canFail(field.plan))
      this.#failing.set(plan, result)
    }
    return result
  }

  /**
   * Writes statements that store the variable `x` at offset `at`. `step` leads to it from what contains it: `.name` or
   * ''.
   */
  #write(plan: Plan, at: string, step: string): string {
    const le = this.#endian
    const path = JSON.stringify(step)
    switch (plan.op) {
      case 'int': {
        const name = JSON.stringify(values.integerName(plan))
        return `if (typeof x !== 'number' || ${misfit(plan.signed, plan.size * 8)}) rt.badInteger(x, 'a number', ${name}, ${path})
    v.set${accessor(plan)}(${at}, x${this.#order(plan.size)})`
      }
      case 'big': {
        const bits = plan.size * 8
        if (plan.asNumber && plan.size === 8)
          return `rt.writeSafe64(v, ${at}, x, ${plan.signed}, ${le}, ${path})`
        const wrap = plan.signed ? 'asIntN' : 'asUintN'
        const name = JSON.stringify(values.integerName(plan))
        const big = `typeof x === 'bigint' && BigInt.${wrap}(${bits}, x) === x ? x : rt.toBigInt(x, ${bits}, ${plan.signed}, ${name}, ${path})`
        if (plan.size === 4) return `v.setUint32(${at}, Number(${big}), ${le})`
        if (plan.size === 8) return `v.setBig${plan.signed ? 'Int' : 'Uint'}64(${at}, ${big}, ${le})`
        return `rt.write128(v, ${at}, ${big}, ${le})`
      }
      case 'bits':
        return this.#writeBits(plan, at, path)
      case 'bool': {
        // Another member of a union may have written a value that is not 0, which is true already.
        const [get, set] = [`getUint${plan.size * 8}`, `setUint${plan.size * 8}`]
        return `if (typeof x !== 'boolean') rt.wrongType(x, 'a boolean', ${path})
    if (!x || v.${get}(${at}${this.#order(plan.size)}) === 0) v.${set}(${at}, x ? 1 : 0${this.#order(plan.size)})`
      }
      case 'float':
        return `rt.writeFloat(v, ${at}, ${plan.size}, x, ${le}, ${path})`
      case 'text':
        return `rt.putText(v, ${at}, ${plan.flexible ? `rt.room(${at}, end, 1)` : plan.length}, x, ${path})`
      case 'bytes': {
        const length = plan.flexible ? `rt.room(${at}, end, 1)` : plan.length
        return `rt.writeBytes(v, ${at}, ${length}, ${plan.flexible}, x, ${path})`
      }
      case 'array':
      case 'record': {
        const name =
          plan.op === 'array'
            ? this.#function('fill', plan, valued(plan), () => this.#arrayWriter(plan))
            : this.#function('encode', plan, valued(plan), () => this.#recordWriter(plan))
        const call = `${name}(v, ${at}, x${isFlexible(plan) ? ', end' : ''})`
        return step === '' ? call : `try { ${call} } catch (e) { rt.within(e, ${path}) }`
      }
    }
  }

  #writeBits(plan: BitsPlan, at: string, path: string): string {
    const { bytes, shift, width, signed } = plan
    const name = JSON.stringify(values.integerName(plan))
    const isBoolean = plan.as === 'boolean'
    const check = isBoolean
      ? `if (typeof x !== 'boolean') rt.wrongType(x, 'a boolean', ${path})`
      : width > 32
        ? ''
        : `if (typeof x !== 'number' || ${misfit(signed, width)}) rt.badInteger(x, 'a number', ${name}, ${path})`
    if (!isNarrow(plan)) {
      const big =
        width > 32 && !isBoolean ? `rt.toBigInt(x, ${width}, ${signed}, ${name}, ${path})` : 'BigInt(x)'
      return `${check}
    rt.writeBits(v, ${at}, ${bytes}, ${shift}, ${width}, ${this.#endian}, ${big})`
    }
    const mask = maskOf(plan)
    const order = this.#order(bytes)
    const bits = isBoolean ? '(x ? 1 : 0)' : `(x & ${mask})`
    return `${check}
    v.setUint${bytes * 8}(${at}, v.getUint${bytes * 8}(${at}${order}) & ${~(mask << shift)} | ${bits} << ${shift}${order})`
  }

  #arrayWriter({ item, length, stride, flexible }: ArrayPlan): string {
    return `{
  const list = rt.checkArray(value, ${flexible ? -1 : length})
  const n = list.length
  let i = 0
  try {
    for (; i < n; i++, o += ${stride}) {
      const x = list[i]
      ${this.#write(item, 'o', '')}
    }
  } catch (e) { rt.within(e, \`[\${i}]\`) }
}`
  }

  #recordWriter(plan: RecordPlan): string {
    const known = JSON.stringify(plan.fields.map((field) => field.name))
    const kind = plan.union ? 'union' : 'struct'
    const set = this.#constant(known)
    const writes = `
    try {
    ${this.#writeMember({ kind, members: plan.members })}
    } catch (e) { rt.unlessUnknown(e, value, ${set}) }`
    return `{
    rt.checkObject(value)
    let count = 0
    for (const _ in value) count++
    if (count !== ${plan.fields.length}) rt.checkMembers(value, ${set})${plan.fields.length === 0 ? '' : writes}
}`
  }

  #constant(names: string): string {
    const known = this.#constants.indexOf(names)
    return `known${known >= 0 ? known : this.#constants.push(names) - 1}`
  }

  #writeMember(member: MemberPlan): string {
    if (member.kind === 'field') {
      const write = this.#write(member.plan, add('o', member.offset), `.${member.name}`)
      const guarded = isOptional(member.plan) ? `if (x !== undefined) { ${write} }` : write
      return `{ const x = ${get(member.name)}; ${guarded} }`
    }
    if (member.kind === 'struct')
      return member.members.map((inner) => this.#writeMember(inner)).join('\n    ')
    return this.#writeUnion(member.members)
  }

  #writeUnion(members: readonly MemberPlan[]): string {
    const alternatives = members.map((member) => ({ member, fields: fieldsOfMember(member) }))
    const nameable = alternatives.filter(({ fields }) => fields.length > 0)
    if (nameable.length === 0) return ''
    const names = JSON.stringify(nameable.flatMap(({ fields }) => fields.map((field) => field.name)))
    const isGiven = (field: FieldPlan) => `${get(field.name)} !== undefined`
    const writes = nameable.map(
      ({ member, fields }) =>
        `if (${fields.map(isGiven).join(' || ')}) { given++; ${this.#writeMember(member)} }`,
    )
    const required = nameable.every(({ fields }) => fields.some((field) => !isOptional(field.plan)))
    const differs = nameable.flatMap(({ fields }) => fields.map((field) => this.#isOther(field)))
    return `{
    let given = 0
    ${writes.join('\n    ')}
    ${required ? `if (given === 0) rt.noneGiven(${names})` : ''}
    if (given > 1 && (${differs.join(' || ')})) rt.conflict(value, ${names})
    }`
  }

  /** Writes a condition: the member is given, but its value differs from what was written. */
  #isOther(field: FieldPlan): string {
    const read = this.#readField(field)
    const t = this.#typed(': unknown')
    const short = isFlexible(field.plan) ? `((end${this.#typed(': number')}) => ${read})(0)` : 'read'
    return `(((read${t}, given${t}) => given !== undefined && !rt.same(read, given, ${short}))(${read}, ${get(field.name)}))`
  }
}

function isLarge({ fields }: RecordPlan): boolean {
  const { length } = fields
  // An assignment to a member that every object inherits, such as `__proto__`, may not create an own property.
  return (
    length >= large.least && length <= large.most && fields.every(({ name }) => !(name in Object.prototype))
  )
}

/** The parameters of a function that reads. Only flexible types need the end of the record. */
function placed(plan: Plan): string[] {
  return isFlexible(plan) ? ['v', 'o', 'end'] : ['v', 'o']
}

/** The parameters of a function that writes. */
function valued(plan: Plan): string[] {
  return isFlexible(plan) ? ['v', 'o', 'value', 'end'] : ['v', 'o', 'value']
}

/** Writes a property's name in an object literal. `"__proto__"` would set the prototype, `["__proto__"]` does not. */
function key(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}

/** Writes an expression for a member of `value`. */
function get(name: string): string {
  const quoted = JSON.stringify(name)
  return name in Object.prototype ? `rt.member(value, ${quoted})` : `value[${quoted}]`
}

function add(at: string, offset: number): string {
  return offset === 0 ? at : `${at} + ${offset}`
}

function accessor({ signed, size }: IntPlan): string {
  return `${signed ? 'Int' : 'Uint'}${size * 8}`
}

/** Whether 32-bit arithmetic is enough. */
function isNarrow({ bytes, width }: BitsPlan): boolean {
  return (bytes === 1 || bytes === 2 || bytes === 4) && width <= 32
}

/** As many one bits as the field has, as an int32. */
function maskOf({ width }: BitsPlan): number {
  return width === 32 ? -1 : 2 ** width - 1
}

/** Writes a condition: the number `x` is not an integer of this many bits. */
function misfit(signed: boolean, bits: number): string {
  if (signed) return bits === 32 ? '(x | 0) !== x' : `x << ${32 - bits} >> ${32 - bits} !== x`
  return bits === 32 ? 'x >>> 0 !== x' : `(x & ${2 ** bits - 1}) !== x`
}
