// What `libbpf-node map` does with maps: create, look up, update, delete, pin, freeze.
import { Btf } from '../btf/btf.js'
import { PerfBuffer } from '../events/perf-buffer.js'
import { littleEndian } from '../machine/byte-order.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { BpfMap } from '../maps/map.js'
import { BPF_ANY, BPF_EXIST, BPF_F_RDONLY, BPF_NOEXIST } from '../maps/types.js'
import type { MapType } from '../native/map-types.js'
import { exitCodes, Failed, UsageError } from './command.js'
import { fromJson } from './json-values.js'
import { openAnyMap, openProgram } from './select.js'
import { mapIn, programIn, type Reference, type Words } from './words.js'

type OpenMap = BpfMap<unknown, unknown>

/** `create PATH type TYPE key N value N entries N [name NAME] [flags N] [inner_map MAP]` */
export function create(words: Words): number {
  const path = words.next('PATH')
  const numbers = new Map<string, number>()
  let type: string | undefined
  let name: string | undefined
  let inner: Reference | undefined
  while (!words.isEmpty) {
    const word = words.next('option')
    if (word === 'type') type = words.next('TYPE')
    else if (word === 'name') name = words.next('NAME')
    else if (word === 'inner_map') inner = mapIn(words)
    else if (['key', 'value', 'entries', 'flags'].includes(word)) numbers.set(word, words.number(word))
    else throw new UsageError(`unexpected argument '${word}'`)
  }
  const wanted = (what: string): number => {
    const number = numbers.get(what)
    if (number === undefined) throw new UsageError(`${what} missing`)
    return number
  }
  if (type === undefined) throw new UsageError('type missing')
  using innerMap = inner === undefined ? undefined : openAnyMap(inner)
  using map = BpfMap.create({
    type: type as MapType,
    keySize: wanted('key'),
    valueSize: wanted('value'),
    maxEntries: wanted('entries'),
    flags: numbers.get('flags') ?? 0,
    ...(name !== undefined && { name }),
    ...(innerMap && { innerMap }),
  })
  map.pin(path)
  return exitCodes.ok
}

/** Calls `use` with the map and the key. What follows the key is read before the map is opened. */
function withKey<T>(words: Words, flags: number, use: (map: OpenMap, key: unknown) => T, needs?: 'value'): T {
  const reference = mapIn(words)
  words.expect('key')
  const text = words.until('value')
  if (needs === undefined) words.end()
  else words.expect(needs)
  using map = openAnyMap(reference, { flags })
  try {
    return use(map, parsedOf(map, 'key', text))
  } catch (error) {
    // The codec says what it cannot write.
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

export function lookup(words: Words, show: (map: OpenMap, key: unknown, value: unknown) => void): number {
  return withKey(words, BPF_F_RDONLY, (map, key) => {
    const value = map.get(key)
    if (value === undefined) throw new Failed('the map has no such key')
    show(map, key, value)
    return exitCodes.ok
  })
}

export function update(words: Words): number {
  return withKey(
    words,
    0,
    (map, key) => {
      using held = heldBy(map, words)
      const value = held ?? parsedOf(map, 'value', words.until('any', 'exist', 'noexist'))
      const flags = words.skip('exist') ? BPF_EXIST : words.skip('noexist') ? BPF_NOEXIST : BPF_ANY
      words.skip('any')
      words.end()
      map.set(key, value, { flags })
      return exitCodes.ok
    },
    'value',
  )
}

/** The program or the map that a map of programs or of maps is to hold. */
function heldBy(map: OpenMap, words: Words): Disposable | undefined {
  if (map.type === 'prog_array') return openProgram(programIn(words))
  return map.type === 'array_of_maps' || map.type === 'hash_of_maps' ? openAnyMap(mapIn(words)) : undefined
}

export function remove(words: Words): number {
  return withKey(words, 0, (map, key) => {
    if (!map.delete(key)) throw new Failed('the map has no such key')
    return exitCodes.ok
  })
}

/** `getnext MAP [key KEY]` */
export function nextKey(words: Words, show: (map: OpenMap, key: unknown, next: unknown) => void): number {
  const reference = mapIn(words)
  const text = words.skip('key') ? words.until() : undefined
  words.end()
  using map = openAnyMap(reference, { flags: BPF_F_RDONLY })
  const key = text === undefined ? undefined : parsedOf(map, 'key', text)
  const next = map.nextKey(key)
  if (next === undefined)
    throw new Failed(key === undefined ? 'the map is empty' : 'there is no key after it')
  show(map, key, next)
  return exitCodes.ok
}

/** `push MAP value VALUE` */
export function push(words: Words): number {
  const reference = mapIn(words)
  words.expect('value')
  const text = words.until()
  using map = openAnyMap(reference)
  expectQueue(map)
  map.set(undefined, parsedOf(map, 'value', text))
  return exitCodes.ok
}

/** `pop MAP`, or `peek MAP`, which leaves the value there. */
export function take(words: Words, isPeek: boolean, show: (map: OpenMap, value: unknown) => void): number {
  const reference = mapIn(words)
  words.end()
  using map = openAnyMap(reference)
  expectQueue(map)
  const value = isPeek ? map.get(undefined) : map.lookupAndDelete(undefined)
  if (value === undefined) throw new Failed('the map is empty')
  show(map, value)
  return exitCodes.ok
}

function expectQueue({ type }: OpenMap): void {
  if (type !== 'queue' && type !== 'stack')
    throw new UsageError(`the map is of type ${type}, and not a queue or a stack`)
}

/** A record of a perf event array, or how many were lost. */
export interface PipedEvent {
  readonly cpu: number
  readonly bytes?: Uint8Array
  readonly lost?: number
}

/** `event_pipe MAP` */
export async function eventPipe(words: Words, show: (event: PipedEvent) => void): Promise<number> {
  const reference = mapIn(words)
  words.end()
  using map = openAnyMap(reference)
  if (map.type !== 'perf_event_array')
    throw new UsageError(`the map is of type ${map.type}, and not a perf_event_array`)
  using buffer = new PerfBuffer<Uint8Array>(map, {
    onLost: ({ cpu, count }) => show({ cpu, lost: Number(count) }),
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => buffer.close())
  for await (const bytes of buffer) show({ cpu: buffer.cpu ?? -1, bytes })
  return exitCodes.ok
}

export function pin(words: Words): number {
  const reference = mapIn(words)
  const path = words.next('PATH')
  words.end()
  using map = openAnyMap(reference)
  map.pin(path)
  return exitCodes.ok
}

export function freeze(words: Words): number {
  using map = openAnyMap(mapIn(words))
  words.end()
  map.freeze()
  return exitCodes.ok
}

/**
 * Reads a key or a value: JSON as `dump --json` prints it, `hex 01 0a`, or bytes as numbers: `0x01 10`. A word that is
 * not JSON is text.
 */
function parsedOf(map: OpenMap, which: 'key' | 'value', words: readonly string[]): unknown {
  const size = which === 'key' ? map.keySize : map.valueSize
  const [first, ...rest] = words
  if (first === undefined) throw new UsageError(`${which} missing`)
  if (first === 'hex')
    return bytesFor(
      map,
      which,
      rest.map((word) => Number.parseInt(word, 16)),
      rest,
    )
  const info = map.info()
  const typeId = which === 'key' ? info.btfKeyTypeId : info.btfValueTypeId || info.btfVmlinuxValueTypeId
  if (rest.length > 0) return bytesFor(map, which, words.map(Number), words)
  const value = parsed(first)
  if (typeId === 0) return untyped(which, value, size)
  using btf = info.btfId === 0 ? undefined : Btf.fromId(info.btfId)
  const isKernels = which === 'value' && info.btfVmlinuxValueTypeId !== 0
  const types = isKernels ? kernelTypes() : btf?.types
  if (types === undefined) return value
  const isPerCpu = which === 'value' && map.type.includes('percpu') && Array.isArray(value)
  return isPerCpu ? value.map((one) => fromJson(types, typeId, one)) : fromJson(types, typeId, value)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Without types, numbers have the size of the key or value, and text is hexadecimal digits. */
function untyped(which: string, value: unknown, size: number): Uint8Array {
  if (typeof value === 'string' && /^(?:[\da-f]{2})+$/i.test(value) && value.length === 2 * size)
    return Uint8Array.from(Buffer.from(value, 'hex'))
  const isNumber =
    typeof value === 'number' || (typeof value === 'string' && /^(?:-?\d+|0x[\da-f]+)$/i.test(value))
  if (!isNumber || ![1, 2, 4, 8].includes(size))
    throw new UsageError(`the map has no types, so its ${which} is ${size} bytes: '${which} hex 01 02 ...'`)
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as string)))
  const own = bytes.subarray(0, size)
  return Uint8Array.from(littleEndian ? own : own.reverse())
}

/** Bytes go into the map as they are, whatever types it has. */
function bytesFor(
  map: OpenMap,
  which: 'key' | 'value',
  bytes: readonly number[],
  words: readonly string[],
): unknown {
  const wrong = words[bytes.findIndex((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)]
  if (wrong !== undefined) throw new UsageError(`'${wrong}' is not a byte`)
  const size = which === 'key' ? map.keySize : map.valueSize
  if (bytes.length !== size)
    throw new UsageError(`the ${which} has ${size} bytes, and ${bytes.length} are given`)
  return decoded(map, which, Uint8Array.from(bytes))
}

/** As the map's codec would decode the bytes, which it then encodes again. */
function decoded(map: OpenMap, which: 'key' | 'value', bytes: Uint8Array): unknown {
  const info = map.info()
  const typeId = which === 'key' ? info.btfKeyTypeId : info.btfValueTypeId
  if (typeId === 0 || info.btfId === 0) return bytes
  using btf = Btf.fromId(info.btfId)
  return btf.codec(typeId).decodeBytes(bytes)
}
