// The format of pprof: a protocol buffer, compressed with gzip. Its numbers are those of profile.proto, which
// https://github.com/google/pprof/blob/main/proto/profile.proto describes.
import { gzipSync } from 'node:zlib'
import type { Frame } from '../symbols/frame.js'
import { label, type Sample } from './sample.js'

export interface PprofMeta {
  /** What a value counts, and in which unit, such as `samples` and `count`. */
  readonly type: readonly [type: string, unit: string]
  /** What a sample stands for, such as `cpu` and `nanoseconds`, and how much of it. */
  readonly period?: { readonly type: readonly [type: string, unit: string]; readonly value: number }
  readonly began: Date
  readonly seconds: number
}

/** Writes a message of protocol buffers. Only the two kinds of fields that profiles have are needed. */
class Message {
  readonly #pieces: Buffer[] = []

  /** A field with a number that is not negative. 0 is left out, because readers assume it. */
  number(field: number, value: number | bigint): this {
    if (BigInt(value) !== 0n) this.#pieces.push(varint(field << 3), varint(value))
    return this
  }

  /** A field with a message, text, or several numbers. */
  bytes(field: number, value: Message | Uint8Array | string): this {
    const bytes = value instanceof Message ? value.finish() : Buffer.from(value as string)
    this.#pieces.push(varint((field << 3) | 2), varint(bytes.length), bytes)
    return this
  }

  numbers(field: number, values: readonly number[]): this {
    return this.bytes(field, Buffer.concat(values.map(varint)))
  }

  finish(): Buffer {
    return Buffer.concat(this.#pieces)
  }
}

/** A number in groups of 7 bits, the lowest first. */
function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

/** Numbers things in the order in which they are first seen, from `first`. */
class Numbers {
  readonly #known = new Map<string, number>()
  readonly #first: number

  constructor(first: number) {
    this.#first = first
  }

  /** Calls `make` with the number of something new. */
  of(key: string, make: (id: number) => void): number {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const id = this.#known.size + this.#first
    this.#known.set(key, id)
    make(id)
    return id
  }
}

/** The frames of a stack, grouped by the place in the code that they share. */
function placesOf(frames: readonly Frame[]): Frame[][] {
  const places: Frame[][] = []
  let inlined: Frame[] = []
  for (const frame of frames) {
    inlined.push(frame)
    if (frame.isInlined) continue
    places.push(inlined)
    inlined = []
  }
  if (inlined.length > 0) places.push(inlined)
  return places
}

/** The bytes of a profile, as `go tool pprof`, Pyroscope and Parca read them. */
export function pprof(samples: readonly Sample[], meta: PprofMeta): Uint8Array {
  const profile = new Message()
  const [strings, mappings, functions, locations] = [0, 1, 1, 1].map((first) => new Numbers(first))
  const texts: string[] = []
  const text = (value: string): number => strings!.of(value, () => texts.push(value))
  // The first string has to be empty.
  text('')
  const valueType = ([type, unit]: readonly [string, string]): Message =>
    new Message().number(1, text(type)).number(2, text(unit))
  const types = [meta.type, ...(meta.period === undefined ? [] : [meta.period.type])]
  for (const type of types) profile.bytes(1, valueType(type))

  const hasLines = samples.some(({ frames }) => frames.some(({ kind, source }) => kind === 'file' && source))
  const mapping = (module: string): number =>
    mappings!.of(module, (id) => {
      const message = new Message().number(1, id).number(5, text(module))
      // 7: it has names of functions. 8, 9, 10: it has files, lines and inlined functions.
      profile.bytes(
        3,
        (hasLines ? [7, 8, 9, 10] : [7]).reduce((all, field) => all.number(field, 1), message),
      )
    })
  const functionOf = (frame: Frame): number => {
    const file = frame.source?.file ?? ''
    return functions!.of(`${frame.module}\0${label(frame)}\0${file}`, (id) => {
      const name = text(label(frame))
      profile.bytes(5, new Message().number(1, id).number(2, name).number(3, name).number(4, text(file)))
    })
  }
  /** A place in the code, with the functions that were inlined there first. */
  const location = (frames: readonly Frame[]): number => {
    const { module, address } = frames.at(-1)!
    const lines = frames.map((frame) => [functionOf(frame), frame.source?.line ?? 0] as const)
    return locations!.of(`${module}\0${lines.join(' ')}`, (id) => {
      const message = new Message().number(1, id).number(2, mapping(module))
      message.number(3, BigInt.asUintN(64, address))
      for (const [functionId, line] of lines)
        message.bytes(4, new Message().number(1, functionId).number(2, line))
      profile.bytes(4, message)
    })
  }

  for (const { pid, comm, frames, value } of samples) {
    const sample = new Message().numbers(1, placesOf(frames).map(location))
    sample.numbers(2, meta.period === undefined ? [value] : [value, value * meta.period.value])
    sample.bytes(3, new Message().number(1, text('comm')).number(2, text(comm)))
    sample.bytes(3, new Message().number(1, text('pid')).number(3, pid))
    profile.bytes(2, sample)
  }
  if (meta.period !== undefined)
    profile.bytes(11, valueType(meta.period.type)).number(12, Math.round(meta.period.value))
  profile.number(9, BigInt(meta.began.getTime()) * 1_000_000n)
  profile.number(10, Math.round(meta.seconds * 1e9))
  for (const value of texts) profile.bytes(6, value)
  return gzipSync(profile.finish())
}
