/**
 * What code that `libbpf-node gen` has written stands on. Not to be imported by hand.
 *
 * @packageDocumentation
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Codec, codecOf } from './btf/codec.js'
import { type Frame, frameOf, type Raw } from './btf/frame.js'
import type { Plan } from './btf/plan.js'
import { BpfError } from './errors/errors.js'
import type { EventReader, EventReaderOptions } from './events/reader.js'
import { BpfObject, type OpenOptions, type ReadyCodecs } from './objects/object.js'
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
export type { BpfMap } from './maps/map.js'
export type { Globals } from './objects/globals.js'
export type { OpenOptions } from './objects/object.js'

/** What a codec's code doesn't say of its type. */
export interface CodecSpec {
  /** The type's id in the object's BTF. */
  readonly typeId: number
  readonly size: number
  /** What a value is called in errors. */
  readonly name: string
  /** What the type is called in errors. */
  readonly words: string
  /** Of a type that ends in a flexible array: where that is. */
  readonly plan?: Plan
}

const fixed: Plan = { op: 'bytes', length: 0, flexible: false }

/** Makes a codec of generated code. */
export function codec<T>(spec: CodecSpec, make: (frame: Frame) => Raw): Codec<T> {
  const { typeId, size, name, words, plan } = spec
  const frame = frameOf(plan ?? fixed, size, name, words)
  return codecOf<T>(typeId, make(frame), frame, plan !== undefined)
}

/** An object that is part of the code. */
export function embedded(base64: string): () => Uint8Array {
  return () => Buffer.from(base64, 'base64')
}

/**
 * An object in a file of its own.
 *
 * @param sha256 - the file's hash in hex: with another object the generated types and codecs would be wrong
 */
export function external(url: URL, sha256: string): () => Uint8Array {
  return () => {
    const bytes = readFileSync(url)
    if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes
    throw new BpfError(
      `open object '${fileURLToPath(url)}': the code was generated from another one, run libbpf-node gen again`,
      { code: 'ERR_BPF_STALE', target: fileURLToPath(url) },
    )
  }
}

export interface SkeletonDefinition {
  /** The object's name. */
  readonly name: string
  readonly object: () => Uint8Array
  readonly codecs: ReadyCodecs
  /** The C type of the records of the map `events`, where there is such a map: generated classes read others by methods of their own. */
  readonly events?: string
}

/** A {@link BpfObject} that knows its file. */
export interface SkeletonObject<S extends Shape> extends BpfObject<S> {
  events: BpfObject<S>['events'] & ((options?: EventReaderOptions) => EventReader<RecordOf<S, 'events'>>)
}

/** What a generated class extends. */
export interface SkeletonClass<S extends Shape> {
  new (options?: OpenOptions): SkeletonObject<S>
  /** Opens the object that the code was generated from. Asks nothing of the kernel. */
  open<T>(this: new (options?: OpenOptions) => T, options?: OpenOptions): T
}

/** The base class for an object. `define` is called when it is opened: what it gives is declared after the class. */
export function skeleton<S extends Shape>(define: () => SkeletonDefinition): SkeletonClass<S> {
  class Skeleton extends BpfObject<S> {
    constructor(options: OpenOptions = {}) {
      const { name, object, codecs } = define()
      super(object(), { name, ...options }, codecs)
    }
  }
  const { events: read } = BpfObject.prototype
  // BpfObject's own methods have the same names and take other arguments.
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
  return Skeleton as unknown as SkeletonClass<S>
}
