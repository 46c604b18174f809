// The running kernel with the same interface as the emulator, so that a test can run in both.
import type { BpfMap, BpfObject, Program, RingBuffer } from '../index.js'
import {
  actionOf,
  contextKind,
  type RunOptions,
  type RunResult,
  type TestMap,
  type TestObject,
  type TestProgram,
} from './test-object.js'

/**
 * Loads an object into the running kernel, which runs its programs by BPF_PROG_TEST_RUN. This needs Linux and the
 * privileges for it. The object is loaded at the first run, so that variables in `.rodata` can be set before.
 *
 * @param source - a path, a file: URL, or the bytes of an object file
 */
export async function openInKernel(source: string | URL | Uint8Array): Promise<KernelObject> {
  // The rest of this entry point also works where there is no kernel with BPF.
  const { BpfObject } = await import('../index.js')
  return new KernelObject(BpfObject.open(source))
}

export class KernelObject implements TestObject {
  readonly object: BpfObject
  readonly #readers = new Map<string, { reader: RingBuffer<Uint8Array>; records: Uint8Array[] }>()

  constructor(object: BpfObject) {
    this.object = object
  }

  program(name: string): TestProgram {
    const program = this.object.program(name)
    return { name, section: program.section, run: (options) => this.#run(program, options) }
  }

  map<K = unknown, V = unknown>(name: string): TestMap<K, V> {
    this.#load()
    const map = this.object.map(name) as BpfMap<unknown, unknown>
    return (map.type === 'prog_array' ? this.#programArray(map) : map) as TestMap<K, V>
  }

  /** Puts the object's program into a program array, in place of the one that a test holds. */
  #programArray(map: BpfMap<unknown, unknown>): TestMap {
    return {
      get size() {
        return map.size
      },
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, this.object.program((value as TestProgram).name)),
      delete: (key) => map.delete(key),
      entries: () => map.entries(),
    }
  }

  events<T = Uint8Array>(map: string, type?: string): T[] {
    const { reader, records } = this.#reader(map)
    reader.consume()
    const codec = type === undefined ? undefined : this.object.codec<T>(type)
    return records.splice(0).map((bytes) => (codec ? codec.decodeBytes(bytes) : (bytes as T)))
  }

  get<T = unknown>(variable: string): T {
    return this.#section(variable)[variable] as T
  }

  set(variable: string, value: unknown): void {
    this.#section(variable)[variable] = value
  }

  [Symbol.dispose](): void {
    for (const { reader } of this.#readers.values()) reader.close()
    this.object.close()
  }

  #load(): void {
    if (this.object.loaded) return
    this.object.loadSync()
    for (const [name, map] of this.object.maps) if (map.type === 'ringbuf') this.#reader(name)
  }

  #reader(map: string) {
    this.#load()
    const known = this.#readers.get(map)
    if (known !== undefined) return known
    const records: Uint8Array[] = []
    const reader = this.object.ringBuffer(map) as RingBuffer<Uint8Array>
    reader.on((bytes) => void records.push(bytes.slice()))
    const made = { reader, records }
    this.#readers.set(map, made)
    return made
  }

  #section(variable: string): Record<string, unknown> {
    for (const name of this.object.maps.keys()) {
      // libbpf puts the object's name in front, but not for sections such as '.data.config'.
      const section = /\.(?:rodata|data|bss)(?:\..*)?$/.exec(name)?.[0]
      if (section === undefined) continue
      const globals = this.object.globals(section) as Record<string, unknown>
      if (variable in globals) return globals
    }
    throw new RangeError(`the object has no variable '${variable}'`)
  }

  #run(program: Program, options: RunOptions = {}): RunResult {
    this.#load()
    const kind = contextKind(program.section)
    const hasPacket = kind === 'xdp' || kind === 'skb'
    const context = kind === 'arguments' ? wordsOf(options.args ?? []) : options.context
    const result = program.testRunSync({
      ...(hasPacket && { data: options.packet ?? new Uint8Array(14) }),
      ...(context !== undefined && !hasPacket && { context }),
    })
    return {
      retval: result.retval >>> 0,
      action: actionOf(program.section, result.retval >>> 0),
      packet: hasPacket ? result.data : undefined,
      skb: undefined,
      context: context === undefined ? undefined : kind === 'bytes' ? context : undefined,
      redirected: undefined,
    }
  }
}

function wordsOf(args: NonNullable<RunOptions['args']>): Uint8Array {
  const words = args.map((arg) => {
    if (typeof arg === 'object')
      throw new TypeError('the kernel runs a program on its own structs, not on plain objects')
    return BigInt.asUintN(64, BigInt(arg))
  })
  return new Uint8Array(BigUint64Array.from(words).buffer)
}
