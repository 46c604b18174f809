/**
 * The run-time support for code that `libbpf-node gen` generates. Do not import it yourself.
 *
 * @packageDocumentation
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Codec, codecOf } from './btf/codec.js'
import { type Frame, frameOf, type Raw } from './btf/frame.js'
import type { Plan } from './btf/plan.js'
import { BpfError } from './errors/errors.js'
import type { EventReader, EventReaderOptions } from './events/reader.js'
import { BpfObject, type ReadyCodecs } from './objects/object.js'
import type { OpenOptions } from './objects/open-options.js'
import type { RecordOf, Shape } from './objects/shape.js'

export type { Codec } from './btf/codec.js'
export * from './btf/fault.js'
export type { Frame, Raw } from './btf/frame.js'
export { readText } from './btf/text.js'
export * from './btf/values.js'
export type { PerfBuffer, PerfBufferOptions } from './events/perf-buffer.js'
export type { EventReader, EventReaderOptions } from './events/reader.js'
export type { RingBuffer, RingBufferOptions } from './events/ring-buffer.js'
export type { UserRingBuffer } from './events/user-ring-buffer.js'
export { littleEndian } from './machine/byte-order.js'
export type { BpfMap } from './maps/map.js'
export type { Globals } from './objects/globals.js'
export type { OpenOptions } from './objects/open-options.js'

/** What a generated codec needs besides its code. */
export interface CodecSpec {
  /** The type's id in the object's BTF. */
  readonly typeId: number
  readonly size: number
  /** The name of a value in errors, for example `event`. */
  readonly name: string
  /** The name of the type in errors, for example `struct event`. */
  readonly words: string
  /** For a type that ends in a flexible array: where the array is. */
  readonly plan?: Plan
}

const fixed: Plan = { op: 'bytes', length: 0, flexible: false }

/** Makes a codec from generated code. */
export function codec<T>(spec: CodecSpec, make: (frame: Frame) => Raw): Codec<T> {
  const { typeId, size, name, words, plan } = spec
  const frame = frameOf(plan ?? fixed, size, name, words)
  return codecOf<T>(typeId, make(frame), frame, plan !== undefined)
}

/** Returns the object that the code contains. */
export function embedded(base64: string): () => Uint8Array {
  return () => Buffer.from(base64, 'base64')
}

/**
 * Reads the object from a separate file.
 *
 * @param file - where the file is: a URL in an ES module, a path in a CommonJS module
 * @param sha256 - the hash of the file in hex. The generated types and codecs are wrong for any other object
 * @throws BpfError ERR_BPF_STALE when the object is opened and the file has another hash
 */
export function external(file: URL | string, sha256: string): () => Uint8Array {
  return () => {
    const bytes = readFileSync(file)
    if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes
    const path = typeof file === 'string' ? file : fileURLToPath(file)
    throw new BpfError(
      `open object '${path}': the code was generated from another version of this file, so run libbpf-node gen again`,
      { code: 'ERR_BPF_STALE', target: path },
    )
  }
}

/**
 * Chooses the object for this machine.
 *
 * @throws BpfError ENOTSUP when the object is opened and there is none for this machine
 */
export function forThisMachine(objects: Readonly<Record<string, () => Uint8Array>>): () => Uint8Array {
  return () => {
    const object = objects[process.arch]
    if (object !== undefined) return object()
    const names = Object.keys(objects)
    throw new BpfError(
      `open object: it was generated for ${names.join(', ')}, and not for this machine: run libbpf-node gen --arch ${[...names, process.arch].join(',')}`,
      { code: 'ENOTSUP', errno: constants.errno.ENOTSUP },
    )
  }
}

/**
 * Returns the codecs by the type ids of this machine's object.
 *
 * @param typeIds - by machine: for each type id of its object, the id that the type has in `codecs`
 */
export function codecsFor(
  codecs: ReadyCodecs,
  typeIds: Readonly<Record<string, Readonly<Record<number, number>>>>,
): ReadyCodecs {
  const ids = typeIds[process.arch]
  if (ids === undefined) return codecs
  return Object.fromEntries(Object.entries(ids).map(([own, id]) => [own, codecs[id]!]))
}

export interface SkeletonDefinition {
  /** The object's name. */
  readonly name: string
  readonly object: () => Uint8Array
  readonly codecs: ReadyCodecs
  /**
   * The C type of the records of the map `events`, if it is known. Other maps with records have methods of their own.
   */
  readonly events?: string
}

/**
 * A {@link BpfObject} that comes with its object file.
 *
 * @typeParam E - the type of the records of the map `events`; `never` if the object has no such map
 */
export interface SkeletonObject<S extends Shape, E = RecordOf<S, 'events'>> extends BpfObject<S> {
  events: BpfObject<S>['events'] &
    ([E] extends [never] ? unknown : (options?: EventReaderOptions) => EventReader<E>)
}

/** The base class of a generated class. */
export interface SkeletonClass<S extends Shape, E = RecordOf<S, 'events'>> {
  new (options?: OpenOptions): SkeletonObject<S, E>
  /** Opens the object that the code was generated from. This needs no privileges and does not involve the kernel. */
  open<T>(this: new (options?: OpenOptions) => T, options?: OpenOptions): T
}

/**
 * Makes the base class for an object. It calls `define` when the object is opened, because the codecs are declared
 * after the class.
 */
export function skeleton<S extends Shape, E = RecordOf<S, 'events'>>(
  define: () => SkeletonDefinition,
): SkeletonClass<S, E> {
  class Skeleton extends BpfObject<S> {
    constructor(options: OpenOptions = {}) {
      const { name, object, codecs } = define()
      super(object(), { name, ...options }, codecs)
    }
  }
  const { events: read } = BpfObject.prototype
  // Methods of BpfObject have the same names, but take other arguments.
  Object.defineProperties(Skeleton, {
    open: {
      value(this: new (options?: OpenOptions) => unknown, options?: OpenOptions) {
        return new this(options)
      },
    },
  })
  Object.defineProperties(Skeleton.prototype, {
    events: {
      value(this: BpfObject, map?: string | EventReaderOptions, ...rest: [string, EventReaderOptions?]) {
        if (typeof map === 'string') return read.call(this, map, ...rest)
        return read.call(this, 'events', define().events as string, map)
      },
    },
  })
  return Skeleton as unknown as SkeletonClass<S, E>
}
