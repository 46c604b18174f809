import { inspect } from 'node:util'
import { type Accessor, composeAccessor } from './compose.js'
import { raise } from './fault.js'
import type { ArrayPlan, FieldPlan, Plan } from './plan.js'
import { byteLength } from './values.js'

/** Bytes that somebody else changes, too. @internal */
export interface Memory {
  readonly littleEndian: boolean
  read(offset: number, target: Uint8Array): void
  /** `path` is what is written: `config.limits[2]`. */
  write(offset: number, source: Uint8Array, path: string): void
}

/** A value in memory. Reading it reads the memory, assigning to it writes just its bytes. @internal */
export interface Live {
  get(): unknown
  set(value: unknown): void
}

/**
 * What stands for a value that lies in memory. A struct, union or array is an object or array whose members and items are live again; everything
 * else, strings and byte arrays too, is read as a copy.
 *
 * @param path - what it is called in errors
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

/** An object with a live property for each field. @internal */
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

/** Nothing can be added, and it shows its values when it's printed. @internal */
export function sealed(record: object): Record<string, unknown> {
  Object.defineProperty(record, inspect.custom, { value: () => ({ ...record }) })
  return Object.seal(record) as Record<string, unknown>
}

/** An array whose items are read and written where they lie. It has a length for good. */
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
  // Not through the proxy: printing looks at what is behind it.
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

/** A value that is read as a copy, and written whole. */
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
      // The bits beside a bitfield stay; padding becomes 0.
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
