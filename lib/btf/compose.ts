import { badInteger, checkMembers, conflict, noneGiven, unlessUnknown, within, wrongType } from './fault.js'
import type { Frame, Raw } from './frame.js'
import {
  type ArrayPlan,
  type BigPlan,
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

/** `end` is where the record ends. A flexible array extends to it. @internal */
export type Read = (view: DataView, offset: number, end: number) => unknown
type Write = (view: DataView, offset: number, value: unknown, end: number) => void
type Values = Readonly<Record<string, unknown>>
type WriteMember = (view: DataView, offset: number, value: Values, end: number) => void

/**
 * Makes a codec from closures, for environments where code cannot be made from strings. It does the same as the source
 * code of generate.ts, so change both together. Tests compare them.
 */
export function compose(plan: Plan, littleEndian: boolean, frame: Frame): Raw {
  const composer = new Composer(littleEndian)
  const read = composer.read(plan, '')
  const write = composer.write(plan, '')
  const { size } = frame
  return {
    decode(view, offset = 0, length) {
      const end = length === undefined ? offset + size : offset + length
      if (!(offset >= 0 && end >= offset + size && end <= view.byteLength))
        frame.tooShort(view, offset, length)
      try {
        return read(view, offset, length === undefined ? 0 : end)
      } catch (thrown) {
        frame.raise(thrown)
      }
    },
    encode(value, view, offset = 0) {
      const needed = frame.byteLength(value)
      if (!(offset >= 0 && offset + needed <= view.byteLength)) frame.noRoom(view, offset, needed)
      values.zero(view, offset, needed)
      try {
        write(view, offset, value, offset + needed)
      } catch (thrown) {
        frame.raise(thrown)
      }
    },
  }
}

/**
 * Reads and writes a value in place. It leaves everything around the value alone, including the bits around a bitfield.
 * It throws faults, not errors.
 */
export interface Accessor {
  read(view: DataView, offset: number): unknown
  write(view: DataView, offset: number, value: unknown): void
}

/** Makes the accessor of a value that is part of something larger. */
export function composeAccessor(plan: Plan, littleEndian: boolean): Accessor {
  const composer = new Composer(littleEndian)
  const read = composer.read(plan, '')
  const write = composer.write(plan, '')
  return {
    read: (view, offset) => read(view, offset, 0),
    write: (view, offset, value) => write(view, offset, value, 0),
  }
}

/** Makes a function that reads a value which is part of something larger. It throws faults, not errors. */
export function composeRead(plan: Plan, littleEndian: boolean): Read {
  return new Composer(littleEndian).read(plan, '')
}

class Composer {
  readonly #endian: boolean
  readonly #readers = new Map<Plan, Read>()
  readonly #writers = new Map<Plan, Write>()

  constructor(littleEndian: boolean) {
    this.#endian = littleEndian
  }

  /** Makes a function that reads a value. `path` is the step to the value from what contains it: `.name` or ''. */
  read(plan: Plan, path: string): Read {
    const le = this.#endian
    switch (plan.op) {
      case 'int':
        return readInt(plan, le)
      case 'big':
        return readBig(plan, le, path)
      case 'bits':
        return readBitfield(plan, le, path)
      case 'bool': {
        const read = readInt({ op: 'int', size: plan.size, signed: false }, le)
        return (v, o, end) => read(v, o, end) !== 0
      }
      case 'float':
        return plan.size === 4 ? (v, o) => v.getFloat32(o, le) : (v, o) => v.getFloat64(o, le)
      case 'text':
        if (plan.flexible) return (v, o, end) => readText(v, o, values.room(o, end, 1))
        return (v, o) => readText(v, o, plan.length)
      case 'bytes':
        if (plan.flexible) return (v, o, end) => values.readBytes(v, o, values.room(o, end, 1))
        return (v, o) => values.readBytes(v, o, plan.length)
      case 'array':
      case 'record': {
        const read = once(this.#readers, plan, () =>
          plan.op === 'array' ? this.#readArray(plan) : this.#readRecord(plan),
        )
        return path === '' ? read : (v, o, end) => step(path, () => read(v, o, end))
      }
    }
  }

  #readArray({ item, length, stride, flexible }: ArrayPlan): Read {
    const read = this.read(item, '')
    return (v, o, end) => {
      const list: unknown[] = []
      const n = flexible ? values.room(o, end, stride) : length
      let i = 0
      try {
        for (; i < n; i++) list.push(read(v, o + i * stride, end))
      } catch (thrown) {
        within(thrown, `[${i}]`)
      }
      return list
    }
  }

  #readRecord(plan: RecordPlan): Read {
    const fields = plan.fields.map(({ name, offset, plan }) => ({
      name,
      offset,
      read: this.read(plan, `.${name}`),
    }))
    return (v, o, end) => {
      const record: Record<string, unknown> = {}
      for (const { name, offset, read } of fields) {
        const value = read(v, o + offset, end)
        // An assignment to `__proto__` would set the prototype.
        if (name !== '__proto__') record[name] = value
        else
          Object.defineProperty(record, name, { value, enumerable: true, writable: true, configurable: true })
      }
      return record
    }
  }

  /** Makes a function that writes a value. `path` is the step to the value from what contains it: `.name` or ''. */
  write(plan: Plan, path: string): Write {
    const le = this.#endian
    switch (plan.op) {
      case 'int':
        return writeInt(plan, le, path)
      case 'big':
        return writeBig(plan, le, path)
      case 'bits':
        return writeBitfield(plan, le, path)
      case 'bool': {
        const read = readInt({ op: 'int', size: plan.size, signed: false }, le)
        const write = writeInt({ op: 'int', size: plan.size, signed: false }, le, path)
        return (v, o, x, end) => {
          if (typeof x !== 'boolean') wrongType(x, 'a boolean', path)
          if (!x || read(v, o, end) === 0) write(v, o, x ? 1 : 0, end)
        }
      }
      case 'float':
        return (v, o, x) => values.writeFloat(v, o, plan.size, x, le, path)
      case 'text':
        return (v, o, x, end) =>
          values.putText(v, o, plan.flexible ? values.room(o, end, 1) : plan.length, x, path)
      case 'bytes':
        return (v, o, x, end) => {
          values.writeBytes(
            v,
            o,
            plan.flexible ? values.room(o, end, 1) : plan.length,
            plan.flexible,
            x,
            path,
          )
        }
      case 'array':
      case 'record': {
        const write = once(this.#writers, plan, () =>
          plan.op === 'array' ? this.#writeArray(plan) : this.#writeRecord(plan),
        )
        return path === '' ? write : (v, o, x, end) => step(path, () => write(v, o, x, end))
      }
    }
  }

  #writeArray({ item, length, stride, flexible }: ArrayPlan): Write {
    const write = this.write(item, '')
    return (v, o, value, end) => {
      const list = values.checkArray(value, flexible ? -1 : length)
      const n = list.length
      let i = 0
      try {
        for (; i < n; i++) write(v, o + i * stride, list[i], end)
      } catch (thrown) {
        within(thrown, `[${i}]`)
      }
    }
  }

  #writeRecord(plan: RecordPlan): Write {
    const known = new Set(plan.fields.map((field) => field.name))
    const write = this.#writeMember({ kind: plan.union ? 'union' : 'struct', members: plan.members })
    return (v, o, value, end) => {
      values.checkObject(value)
      let count = 0
      for (const _ in value as Values) count++
      if (count !== known.size) checkMembers(value as object, known)
      try {
        write(v, o, value as Values, end)
      } catch (thrown) {
        unlessUnknown(thrown, value as object, known)
      }
    }
  }

  #writeMember(member: MemberPlan): WriteMember {
    if (member.kind === 'field') {
      const { name, offset, plan } = member
      const write = this.write(plan, `.${name}`)
      const optional = isOptional(plan)
      return (v, o, value, end) => {
        const x = values.member(value, name)
        if (x !== undefined || !optional) write(v, o + offset, x, end)
      }
    }
    if (member.kind === 'union') return this.#writeUnion(member.members)
    const writes = member.members.map((inner) => this.#writeMember(inner))
    return (v, o, value, end) => {
      for (const write of writes) write(v, o, value, end)
    }
  }

  #writeUnion(members: readonly MemberPlan[]): WriteMember {
    const alternatives = members
      .map((member) => ({ write: this.#writeMember(member), fields: fieldsOfMember(member) }))
      .filter(({ fields }) => fields.length > 0)
    const fields = alternatives.flatMap((alternative) => alternative.fields)
    const names = fields.map((field) => field.name)
    const checks = fields.map((field) => ({
      name: field.name,
      read: this.#readField(field),
      flexible: isFlexible(field.plan),
    }))
    const required =
      alternatives.length > 0 &&
      alternatives.every(({ fields }) => fields.some((field) => !isOptional(field.plan)))
    return (v, o, value, end) => {
      let given = 0
      for (const { write, fields } of alternatives) {
        if (fields.every((field) => values.member(value, field.name) === undefined)) continue
        given++
        write(v, o, value, end)
      }
      if (given === 0 && required) noneGiven(names)
      if (given < 2) return
      for (const { name, read, flexible } of checks) {
        const x = values.member(value, name)
        if (x === undefined) continue
        const written = read(v, o, end)
        if (!values.same(written, x, flexible ? read(v, o, 0) : written)) conflict(value, names)
      }
    }
  }

  #readField({ name, offset, plan }: FieldPlan): Read {
    const read = this.read(plan, `.${name}`)
    return (v, o, end) => read(v, o + offset, end)
  }
}

/** Returns what was made for a plan, or makes it now. */
function once<T>(made: Map<Plan, T>, plan: Plan, make: () => T): T {
  let result = made.get(plan)
  if (result === undefined) {
    result = make()
    made.set(plan, result)
  }
  return result
}

/** Does some work. If that throws a fault, puts a step in front of its path. */
function step<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    within(thrown, path)
  }
}

function readInt({ size, signed }: IntPlan, le: boolean): Read {
  if (size === 1) return signed ? (v, o) => v.getInt8(o) : (v, o) => v.getUint8(o)
  if (size === 2) return signed ? (v, o) => v.getInt16(o, le) : (v, o) => v.getUint16(o, le)
  return signed ? (v, o) => v.getInt32(o, le) : (v, o) => v.getUint32(o, le)
}

/** Makes a function that returns a number that fits, and throws a fault for everything else. */
function integerCheck(bits: number, signed: boolean, name: string, path: string): (x: unknown) => number {
  const low = signed ? -(2 ** (bits - 1)) : 0
  const high = signed ? 2 ** (bits - 1) : 2 ** bits
  return (x) => {
    if (typeof x === 'number' && x >= low && x < high && Number.isInteger(x)) return x
    badInteger(x, 'a number', name, path)
  }
}

function writeInt(plan: IntPlan, le: boolean, path: string): Write {
  const check = integerCheck(plan.size * 8, plan.signed, values.integerName(plan), path)
  // The setters wrap around, so one setter works for both signs.
  if (plan.size === 1) return (v, o, x) => v.setUint8(o, check(x))
  if (plan.size === 2) return (v, o, x) => v.setUint16(o, check(x), le)
  return (v, o, x) => v.setUint32(o, check(x), le)
}

function readBig({ size, signed, asNumber }: BigPlan, le: boolean, path: string): Read {
  if (size === 4) return (v, o) => BigInt(v.getUint32(o, le))
  if (size === 16) {
    if (asNumber) return (v, o) => values.safe(values.read128(v, o, signed, le), path)
    return (v, o) => values.read128(v, o, signed, le)
  }
  if (asNumber) return (v, o) => values.readSafe64(v, o, signed, le, path)
  return signed ? (v, o) => v.getBigInt64(o, le) : (v, o) => v.getBigUint64(o, le)
}

function writeBig(plan: BigPlan, le: boolean, path: string): Write {
  const { size, signed } = plan
  const name = values.integerName(plan)
  const check = (x: unknown) => values.toBigInt(x, size * 8, signed, name, path)
  if (size === 4) return (v, o, x) => v.setUint32(o, Number(check(x)), le)
  if (size === 16) return (v, o, x) => values.write128(v, o, check(x), le)
  if (plan.asNumber) return (v, o, x) => values.writeSafe64(v, o, x, signed, le, path)
  return (v, o, x) => v.setBigUint64(o, BigInt.asUintN(64, check(x)), le)
}

function readBitfield(plan: BitsPlan, le: boolean, path: string): Read {
  const { bytes, shift, width, signed, checked } = plan
  const read = (v: DataView, o: number) => values.readBits(v, o, bytes, shift, width, signed, le)
  if (plan.as === 'bigint') return read
  if (plan.as === 'boolean') return (v, o) => read(v, o) !== 0n
  return checked ? (v, o) => values.safe(read(v, o), path) : (v, o) => Number(read(v, o))
}

function writeBitfield(plan: BitsPlan, le: boolean, path: string): Write {
  const { bytes, shift, width, signed } = plan
  const name = values.integerName(plan)
  const check = integerCheck(width, signed, name, path)
  const toBits = (x: unknown): bigint => {
    if (plan.as === 'boolean') {
      if (typeof x !== 'boolean') wrongType(x, 'a boolean', path)
      return x ? 1n : 0n
    }
    if (width > 32) return values.toBigInt(x, width, signed, name, path)
    return BigInt(check(x))
  }
  return (v, o, x) => values.writeBits(v, o, bytes, shift, width, le, toBits(x))
}
