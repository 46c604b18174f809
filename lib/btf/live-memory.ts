import { inspect } from 'node:util'
import { type Accessor, composeAccessor } from './compose.js'
import { raise } from './fault.js'
import { type ArrayPlan, hasPointers, type Plan, type RecordPlan } from './plan.js'
import { byteLength } from './values.js'

/** Memory that BPF programs may change at any time. @internal */
export interface Memory {
  readonly littleEndian: boolean
  read(offset: number, target: Uint8Array): void
  /** `path` names what is written, for example `config.limits[2]`. */
  write(offset: number, source: Uint8Array, path: string): void
  readonly pointers?: Pointers
}

/** Pointers to other structs in the same memory. @internal */
export interface Pointers {
  /** What an address points to. `to` is the id of its type. */
  follow(to: number, address: bigint, path: string): unknown
  /** The address of what a pointer is to point to. */
  address(to: number, value: unknown, path: string): bigint
}

/** A value in such memory. Reading it reads the memory; assigning to it writes only its own bytes. @internal */
export interface Live {
  get(): unknown
  set(value: unknown): void
}

/**
 * Makes the accessor of a value in memory. A struct or union is an object whose members are live, an array has live
 * items. Everything else is read as a copy, including strings and byte arrays.
 *
 * @param path - the name of the value in errors
 * @internal
 */
export function live(memory: Memory, plan: Plan, offset: number, path: string): Live {
  const { get, set: setPlain } = cell(memory, plan, offset, path)
  const { pointers } = memory
  const set =
    pointers !== undefined && hasPointers(plan)
      ? (value: unknown) => setPlain(withAddresses(pointers, plan, value, path))
      : setPlain
  if (plan.op === 'record') {
    return { get: once(() => liveRecord(memory, plan, offset, `${path}.`)), set }
  }
  if (plan.op === 'big' && plan.to !== undefined && pointers !== undefined) {
    const { to } = plan
    return { get: () => pointers.follow(to, get() as bigint, path), set }
  }
  if (plan.op === 'array') return { get: once(() => liveArray(memory, plan, offset, path)), set }
  return { get, set }
}

/** Replaces objects in a value by their addresses, where the value has pointers to them. */
function withAddresses(pointers: Pointers, plan: Plan, value: unknown, path: string): unknown {
  if (plan.op === 'big' && plan.to !== undefined) return pointers.address(plan.to, value, path)
  if (typeof value !== 'object' || value === null || !hasPointers(plan)) return value
  if (plan.op === 'array')
    return Array.from(value as unknown[], (item, i) =>
      withAddresses(pointers, plan.item, item, `${path}[${i}]`),
    )
  if (plan.op !== 'record') return value
  const copy: Record<string, unknown> = { ...value }
  for (const { name, plan: own } of plan.fields)
    if (Object.hasOwn(copy, name)) copy[name] = withAddresses(pointers, own, copy[name], `${path}.${name}`)
  return copy
}

/** Makes an object with a live property for each field. */
function liveRecord(
  memory: Memory,
  plan: RecordPlan,
  offset: number,
  prefix: string,
): Record<string, unknown> {
  const record = {}
  for (const { name, offset: at, plan: own } of plan.fields) {
    defineLive(record, name, live(memory, own, offset + at, `${prefix}${name}`))
  }
  const made = sealed(record)
  places.set(made, { memory, offset, plan })
  return made
}

const places = new WeakMap<object, { memory: Memory; offset: number; plan: RecordPlan }>()

/** Where in this memory an object of this type is, if {@link live} has made it. @internal */
export function placeIn(memory: Memory, record: object, type: string): number | undefined {
  const place = places.get(record)
  return place?.memory === memory && place.plan.name === type ? place.offset : undefined
}

/** @internal */
export function defineLive(record: object, name: string, { get, set }: Live): void {
  Object.defineProperty(record, name, { enumerable: true, get, set })
}

/** Seals the object, and makes `console.log` print its values instead of its accessors. @internal */
export function sealed(record: object): Record<string, unknown> {
  Object.defineProperty(record, inspect.custom, { value: () => printable(record) })
  return Object.seal(record) as Record<string, unknown>
}

/** The values of an object to print. The message of the error takes the place of a value that cannot be read. */
function printable(record: object): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(record)) {
    try {
      values[name] = (record as Record<string, unknown>)[name]
    } catch (error) {
      values[name] = `<${(error as Error).message}>`
    }
  }
  return values
}

/**
 * Methods that move items work on copies: a live item that is moved over another one also changes what is still to be
 * moved.
 */
const moving = new Set<string | symbol>(['copyWithin', 'reverse', 'sort'])
/** Methods that change the length. Without this they would move items before they fail. */
const refused = new Set<string | symbol>(['shift', 'splice', 'unshift'])

/** An array whose items are read from and written to memory. Its length cannot change. */
function liveArray(memory: Memory, plan: ArrayPlan, offset: number, path: string): unknown[] {
  const { item, length, stride } = plan
  const at = (index: number): Live => live(memory, item, offset + index * stride, `${path}[${index}]`)
  const isIndex = (key: string | symbol) => {
    if (typeof key !== 'string' || !/^\d+$/.test(key)) return false
    if (/^0\d/.test(key)) throw new RangeError(`${path}['${key}']: that is not an index`)
    return true
  }
  const isItem = (key: string | symbol) => isIndex(key) && Number(key) < length
  const method = (name: string | symbol): unknown => {
    if (refused.has(name)) {
      return () => {
        throw new TypeError(`${path}.${String(name)}: the array always has ${length} items`)
      }
    }
    if (!moving.has(name)) return undefined
    return (...args: unknown[]) => {
      const { get, set } = cell(memory, plan, offset, path)
      const copies = get() as unknown[]
      Reflect.apply(copies[name as 'sort'], copies, args)
      set(copies)
      return proxy
    }
  }
  const target = new Array<unknown>(length)
  const proxy = new Proxy(target, {
    get: (_, key) => (isItem(key) ? at(Number(key)).get() : (method(key) ?? Reflect.get(target, key))),
    set: (_, key, value) => {
      if (isItem(key)) at(Number(key)).set(value)
      else if (isIndex(key)) throw new RangeError(`${path}[${String(key)}]: there are ${length} items`)
      else return false
      return true
    },
    has: (_, key) => isItem(key) || Reflect.has(target, key),
    ownKeys: () => [...target.keys()].map(String).concat('length'),
    getOwnPropertyDescriptor: (_, key) =>
      isItem(key)
        ? { value: at(Number(key)).get(), writable: true, enumerable: true, configurable: true }
        : Reflect.getOwnPropertyDescriptor(target, key),
    defineProperty: () => false,
    deleteProperty: () => false,
    preventExtensions: () => false,
  })
  // Defined on the target, because printing ignores the proxy.
  Object.defineProperty(target, inspect.custom, { value: () => [...proxy], configurable: true })
  return proxy
}

const accessors = new WeakMap<Plan, Accessor>()

function accessorOf(plan: Plan, littleEndian: boolean): Accessor {
  let accessor = accessors.get(plan)
  if (accessor === undefined) {
    accessor = composeAccessor(plan, littleEndian)
    accessors.set(plan, accessor)
  }
  return accessor
}

/** Room for a value on its way. */
interface Buffer {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly accessor: Accessor
}

/** A buffer that nobody uses, which all values with a plan share. */
interface Spare {
  buffer: Buffer | undefined
}

const spares = new WeakMap<Plan, Spare>()

function spareOf(plan: Plan, littleEndian: boolean): Spare {
  let spare = spares.get(plan)
  if (spare === undefined) {
    spare = { buffer: bufferFor(plan, littleEndian) }
    spares.set(plan, spare)
  }
  return spare
}

function bufferFor(plan: Plan, littleEndian: boolean): Buffer {
  const bytes = new Uint8Array(byteLength(plan, undefined))
  return { bytes, view: new DataView(bytes.buffer), accessor: accessorOf(plan, littleEndian) }
}

/** A value that is read as a copy, and written whole. */
function cell(memory: Memory, plan: Plan, offset: number, path: string): Live {
  let own: Spare | undefined
  /** Lends a buffer. A getter in a value that is written can use this plan, too, and gets another one. */
  const withBuffer = <T>(use: (buffer: Buffer) => T): T => {
    own ??= spareOf(plan, memory.littleEndian)
    const buffer = own.buffer ?? bufferFor(plan, memory.littleEndian)
    own.buffer = undefined
    try {
      return use(buffer)
    } finally {
      own.buffer = buffer
    }
  }
  return {
    get: () =>
      withBuffer(({ bytes, view, accessor }) => {
        memory.read(offset, bytes)
        return accessor.read(view, 0)
      }),
    set: (value) =>
      withBuffer(({ bytes, view, accessor }) => {
        // The bits beside a bitfield stay; padding becomes 0.
        if (plan.op === 'bits') memory.read(offset, bytes)
        else bytes.fill(0)
        try {
          accessor.write(view, 0, value)
        } catch (fault) {
          raise(fault, path)
        }
        memory.write(offset, bytes, path)
      }),
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
