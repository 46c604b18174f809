import type { NativeError, PerfRecorderHandle } from '../../types/binding.js'
import type { Codec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { onlineCpus } from '../machine/cpus.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { whyBusy } from './one-reader.js'
import { EventReader, type EventReaderOptions } from './reader.js'
import type { RecordSource } from './record-source.js'

export interface PerfBufferOptions<T = unknown> extends EventReaderOptions {
  /** Decodes the records; without it, you get copies of their bytes. */
  codec?: Codec<T>
  /** Memory pages for each CPU, a power of two; 64 by default. */
  pages?: number
  /** After how many records on a CPU the kernel wakes the reader; 1 by default. */
  wakeupEvents?: number
  /** After how many bytes on a CPU the kernel wakes the reader, instead of `wakeupEvents`. */
  watermark?: number
  /** The CPUs whose records are read; by default all. Programs on other CPUs find no reader and get ENOENT. */
  cpus?: Iterable<number>
  /**
   * Called when the kernel has reported lost records of a CPU: before the records that came after them, and after those
   * of earlier batches. Errors that it throws become uncaught exceptions.
   */
  onLost?: (lost: LostRecords) => void
  /**
   * Makes the buffer a flight recorder (Linux 4.7): when it is full, the kernel overwrites the oldest records. Nothing
   * is delivered; {@link PerfBuffer.snapshot} returns the newest records. False by default.
   */
  overwritable?: boolean
}

/** Records that found no room. */
export interface LostRecords {
  readonly cpu: number
  /** How many were lost since the last call for this CPU. */
  readonly count: bigint
}

/** How often the reader looks for CPUs that have come or gone. */
const cpuIntervalMs = 1000

/** The buffer of a CPU. */
interface CpuBuffer {
  /** Losses that were reported to {@link PerfBufferOptions.onLost}. */
  told: bigint
  /** Delivers records; overwritable buffers have a recorder instead. */
  source: RecordSource | undefined
  recorder: PerfRecorderHandle | undefined
  /** How many nanoseconds it had been on its CPU at the last look. */
  time: bigint
}

/**
 * Reads a perf event array (Linux 4.4), the predecessor of the ring buffer. It has one buffer for each CPU, and
 * records are only ordered per CPU. {@link EventReader} explains the ways to read. A record may end with up to 7 bytes
 * of padding.
 *
 * CPUs that come online are read within a second. When a CPU goes offline, its remaining records are delivered.
 *
 * A map has one reader at a time in a process. If another process opens a reader of the same map, it gets all records
 * from then on.
 */
export class PerfBuffer<T = Uint8Array> extends EventReader<T> {
  readonly #map: BpfMap<unknown, unknown>
  readonly #maxEntries: number
  readonly #options: PerfBufferOptions<T>
  readonly #cpus = new Map<number, CpuBuffer>()
  readonly #wanted: ReadonlySet<number> | undefined
  readonly #cpuOf = new WeakMap<RecordSource, number>()
  /** Records that were lost in buffers that do not exist any more. */
  readonly #lostBefore = new Map<number, bigint>()
  readonly #timer: NodeJS.Timeout | undefined
  #frozen = false

  /**
   * @param map - a map of type `perf_event_array`, after load; the reader keeps working after the map is closed
   * @throws BpfError EBUSY if the map has a reader already
   */
  constructor(map: BpfMap<unknown, unknown>, options: PerfBufferOptions<T> = {}) {
    super(`perf buffer '${expectMap(map).name}'`, options)
    const { pages = 64, overwritable = false } = options
    if (!Number.isInteger(pages)) throw new TypeError('pages is not a whole number')
    if (pages < 1 || !Number.isInteger(Math.log2(pages))) throw new RangeError('pages is not a power of two')
    if (typeof overwritable !== 'boolean') throw new TypeError('overwritable is not a boolean')
    if (options.onLost !== undefined && typeof options.onLost !== 'function')
      throw new TypeError('onLost is not a function')
    if (options.cpus !== undefined) {
      const wanted = [...options.cpus]
      const wrong = wanted.find((cpu) => !Number.isInteger(cpu) || cpu < 0)
      if (wrong !== undefined) throw new TypeError(`cpus has an element that is not a CPU number: ${wrong}`)
      this.#wanted = new Set(wanted)
    }
    this.#map = map
    // Throws before load.
    map.fd
    this.#maxEntries = map.maxEntries
    this.#options = options
    try {
      this.#addCpus(onlineCpus())
    } catch (error) {
      this.close()
      throw error
    }
    // The timer must not keep a forgotten reader in memory.
    const self = new WeakRef(this)
    const timer = setInterval(() => {
      const reader = self.deref()
      if (reader === undefined) clearInterval(timer)
      else reader.#lookAtCpus()
    }, cpuIntervalMs).unref()
    this.#timer = timer
  }

  /**
   * How many records did not fit. The kernel reports them with the next record that fits, so the number may lag behind.
   * Records that were overwritten do not count.
   */
  get lost(): bigint {
    return [...this.lostByCpu.values()].reduce((sum, lost) => sum + lost, 0n)
  }

  /** Like {@link lost}, for each CPU. */
  get lostByCpu(): ReadonlyMap<number, bigint> {
    this.expectOpen()
    const lost = new Map(this.#lostBefore)
    for (const [cpu, buffer] of this.#cpus) lost.set(cpu, (lost.get(cpu) ?? 0n) + lostIn(buffer))
    return lost
  }

  /**
   * The CPU that wrote the current record: in callbacks, the one that is being delivered; in iterations, the one that
   * the last step returned. All records of an array come from one CPU. `undefined` before the first record.
   *
   * @example
   * for await (const event of perf) console.log(perf.cpu, event)
   */
  get cpu(): number | undefined {
    return this.current && this.#cpuOf.get(this.current)
  }

  /** The size of the buffers in bytes, summed over all CPUs. */
  get size(): number {
    return this.#sum(native.perfBufferSize)
  }

  /** How many bytes wait in the kernel, including the headers of the records. */
  get availableBytes(): number {
    return this.#sum(native.perfBufferAvailable)
  }

  /**
   * Returns the newest records of an overwritable buffer, CPU by CPU, the oldest record of each CPU first. They stay in
   * the buffer until they are overwritten. All CPUs are paused during the call, so that their records end at the same
   * time; what programs write in the meantime is not recorded.
   *
   * @throws BpfError ERR_BPF_STATE if the buffer is not overwritable
   */
  snapshot(): T[] {
    this.expectOpen()
    if (this.#options.overwritable !== true) {
      throw this.error('is not overwritable: read it with on(), drain() or for await', 'ERR_BPF_STATE')
    }
    const wasFrozen = this.#frozen
    try {
      this.#freeze(true)
      return this.#recorders.flatMap((recorder) => this.decodeSlab(native.perfRecorderRecords(recorder)))
    } finally {
      this.#freeze(wasFrozen)
    }
  }

  /**
   * Delivers nothing until {@link resume}; records wait in the kernel. An overwritable buffer keeps its records and
   * records nothing new until then.
   */
  override pause(): void {
    super.pause()
    if (!this.closed) this.#freeze(true)
  }

  override resume(): void {
    super.resume()
    if (!this.closed) this.#freeze(false)
  }

  override close(): void {
    if (this.closed) return
    clearInterval(this.#timer)
    super.close()
    for (const { recorder } of this.#cpus.values()) {
      if (recorder !== undefined) native.perfRecorderClose(recorder)
    }
  }

  protected override expectReadable(): void {
    super.expectReadable()
    if (this.#options.overwritable === true) {
      throw this.error('is overwritable: read it with snapshot()', 'ERR_BPF_STATE')
    }
  }

  /** The CPU has gone offline, which some kernels report. #lookAtCpus() finds out when it comes back. */
  protected override sourceEnded(source: RecordSource): void {
    for (const [cpu, buffer] of this.#cpus) if (buffer.source === source) this.#remove(cpu, buffer)
  }

  protected override filled(source: RecordSource): void {
    const { onLost } = this.#options
    const cpu = this.#cpuOf.get(source)
    const buffer = cpu === undefined ? undefined : this.#cpus.get(cpu)
    if (onLost === undefined || cpu === undefined || buffer === undefined || source.closed) return
    const lost = native.perfBufferLost(source.handle)
    const count = lost - buffer.told
    if (count === 0n) return
    buffer.told = lost
    try {
      onLost({ cpu, count })
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  get #recorders(): PerfRecorderHandle[] {
    return [...this.#cpus.values()].flatMap(({ recorder }) => recorder ?? [])
  }

  #freeze(on: boolean): void {
    const { name } = this.#map
    for (const recorder of this.#recorders) {
      attempt({ what: `pause perf buffer '${name}'`, map: name }, () =>
        native.perfRecorderPause(recorder, on),
      )
    }
    this.#frozen = on
  }

  #sum(read: (source: RecordSource['handle']) => number): number {
    this.expectOpen()
    let sum = 0
    for (const { source } of this.#cpus.values()) if (source !== undefined) sum += read(source.handle)
    return sum
  }

  #addCpus(cpus: number[]): void {
    for (const cpu of cpus) {
      if (this.#cpus.has(cpu) || cpu >= this.#maxEntries || this.#wanted?.has(cpu) === false) continue
      try {
        this.#cpus.set(cpu, this.#open(cpu))
      } catch (error) {
        // The CPU has gone offline since the list was read.
        if (!(error instanceof BpfError && error.code === 'ENODEV')) throw error
      }
    }
  }

  #open(cpu: number): CpuBuffer {
    const { pages = 64, wakeupEvents = 1, watermark = 0, overwritable } = this.#options
    const { name, type } = this.#map
    const map = mapHandles.of(this.#map)
    const about = { map: name, reason: (error: NativeError) => whyBusy(error, name) }
    if (overwritable !== true) {
      const source = this.addSource(
        (onReady) => native.perfBufferNew(map, cpu, pages, wakeupEvents, watermark, onReady),
        about,
      )
      this.#cpuOf.set(source, cpu)
      return { source, recorder: undefined, time: 0n, told: 0n }
    }
    if (type !== 'perf_event_array') {
      throw new BpfError(
        `read perf buffer '${name}': map '${name}' is of type ${type}, not perf_event_array`,
        {
          code: 'EINVAL',
          map: name,
        },
      )
    }
    const recorder = attempt({ what: `read perf buffer '${name}'`, ...about }, () =>
      native.perfRecorderNew(map, cpu, pages),
    )
    if (this.#frozen) native.perfRecorderPause(recorder, true)
    return { source: undefined, recorder, time: 0n, told: 0n }
  }

  /**
   * The kernel takes a buffer off a CPU that goes offline, and does not put it back. When a machine sleeps, that
   * happens on all CPUs but the first.
   */
  #lookAtCpus(): void {
    try {
      const online = onlineCpus()
      for (const [cpu, buffer] of this.#cpus) {
        const time = timeOf(buffer)
        const isOnCpu = online.includes(cpu) && time > buffer.time
        buffer.time = time
        if (isOnCpu) continue
        // What a recorder has is worth keeping until the CPU is back.
        const isRead = buffer.source === undefined ? online.includes(cpu) : isEmpty(buffer.source)
        if (isRead) this.#remove(cpu, buffer)
      }
      this.#addCpus(online)
    } catch {
      // The CPU has gone offline again, or the map is closed. There is nobody to tell, and the next look may succeed.
    }
  }

  #remove(cpu: number, buffer: CpuBuffer): void {
    this.#lostBefore.set(cpu, (this.#lostBefore.get(cpu) ?? 0n) + lostIn(buffer))
    this.#cpus.delete(cpu)
    if (buffer.source !== undefined) this.removeSource(buffer.source)
    if (buffer.recorder !== undefined) native.perfRecorderClose(buffer.recorder)
  }
}

const lostIn = ({ source }: CpuBuffer): bigint =>
  source === undefined ? 0n : native.perfBufferLost(source.handle)

const timeOf = ({ source, recorder }: CpuBuffer): bigint =>
  source === undefined ? native.perfRecorderTime(recorder!) : native.perfBufferTime(source.handle)

const isEmpty = (source: RecordSource): boolean =>
  source.left === 0 && native.perfBufferAvailable(source.handle) === 0
