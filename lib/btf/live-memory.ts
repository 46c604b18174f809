import { inspect } from 'node:util'
import { type Accessor, composeAccessor } from './compose.js'
import { raise } from './fault.js'
import type { ArrayPlan, FieldPlan, Plan } from './plan.js'
import { byteLength } from './values.js'

/** Memory that BPF programs may change at any time. @internal */
export interface Memory {
  readonly littleEndian: boolean
  read(offset: number, target: Uint8Array): void
  /** `path` names what is written, for example `config.limits[2]`. */
  write(offset: number, source: Uint8Array, path: string): void
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
  const { get, set } = cell(memory, plan, offset, path)
  if (plan.op === 'record') {
    return { get: once(() => liveRecord(memory, plan.fields, offset, `${path}.`)), set }
  }
  if (plan.op === 'array') return { get: once(() => liveArray(memory, plan, offset, path)), set }
  return { get, set }
}

/** Makes an object with a live property for each field. @internal */
export function liveRecord(
  memory: Memory,
  fields: readonly FieldPlan[],
  offset: number,
  prefix: string,
): Record<string, unknown> {
  const record = {}
  for (const { name, offset: at, plan } of fields) {
    defineLive(record, name, live(memory, plan, offset + at, `${prefix}${name}`))
  }
  return sealed(record)
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

/** An array whose items are read from and written to memory. Its length cannot change. */
function liveArray(memory: Memory, plan: ArrayPlan, offset: number, path: string): unknown[] {
  const { item, length, stride } = plan
  const at = (index: number): Live => live(memory, item, offset + index * stride, `${path}[${index}]`)
  const indexOf = (key: string | symbol): number => {
    const index = typeof key === 'string' && /^(0|[1-9]\d*)$/.test(key) ? Number(key) : -1
    if (index >= length) throw new RangeError(`${path}[${index}]: there are ${length} items`)
    return index
  }
  const isItem = (key: string | symbol) =>
    typeof key === 'string' && /^\d+$/.test(key) && Number(key) < length
  const target = new Array<unknown>(length)
  const proxy = new Proxy(target, {
    get: (_, key) => (isItem(key) ? at(Number(key)).get() : Reflect.get(target, key)),
    set: (_, key, value) => {
      const index = indexOf(key)
      if (index >= 0) at(index).set(value)
      return index >= 0
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

/** A value that is read as a copy and written as a whole. */
function cell(memory: Memory, plan: Plan, offset: number, path: string): Live {
  const buffer = once(() => {
    const bytes = new Uint8Array(byteLength(plan, undefined))
    return { bytes, view: new DataView(bytes.buffer), accessor: accessorOf(plan, memory.littleEndian) }
  })
  return {
    get() {
      const { bytes, view, accessor } = buffer()
      memory.read(offset, bytes)
      return accessor.read(view, 0)
    },
    set(value) {
      const { bytes, view, accessor } = buffer()
      // The bits around a bitfield stay. Padding becomes 0.
      if (plan.op === 'bits') memory.read(offset, bytes)
      else bytes.fill(0)
      try {
        accessor.write(view, 0, value)
      } catch (fault) {
        raise(fault, path)
      }
      memory.write(offset, bytes, path)
    },
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
