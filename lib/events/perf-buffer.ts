import type { PerfRecorderHandle } from '../../types/binding.js'
import type { Codec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { onlineCpus } from '../machine/cpus.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { beginToConsume, endToConsume, expectNoConsumer } from './one-consumer.js'
import { EventReader, type EventReaderOptions } from './reader.js'
import type { EventSource } from './record-source.js'

export interface PerfBufferOptions<T = unknown> extends EventReaderOptions {
  /** Makes values of the records; without it they are copies of their bytes. */
  codec?: Codec<T>
  /** Memory pages for each CPU, a power of two; 64 by default. */
  pages?: number
  /** Wakes the reader by every so many records of a CPU; 1 by default. */
  wakeupEvents?: number
  /** Wakes the reader by every so many bytes of a CPU, instead. */
  watermark?: number
  /**
   * Has the kernel write over the oldest records where there is no room (Linux 4.7): nothing is delivered, {@link PerfBuffer.snapshot} gives the newest. False by
   * default.
   */
  overwritable?: boolean
}

/** How often CPUs that have come or gone are looked for. */
const cpuIntervalMs = 1000

/** The buffer of a CPU. */
interface CpuBuffer {
  /** Of one that is delivered; an overwritable one has none. */
  source: EventSource | undefined
  recorder: PerfRecorderHandle | undefined
  /** Nanoseconds that it was on its CPU, when that was looked at last. */
  time: bigint
}

/**
 * A consumer of a perf event array (Linux 4.4), the elder of the ring buffer: one buffer for each CPU, in which order holds only for a CPU. How to
 * read it, see {@link EventReader}. Records may have up to 7 bytes of padding at their end. CPUs that come online are read from then on, within a
 * second; what one has left that goes offline is delivered.
 *
 * With `overwritable` it is a flight recorder: {@link snapshot} gives what happened last.
 */
export class PerfBuffer<T = Uint8Array> extends EventReader<T> {
  readonly #map: BpfMap<unknown, unknown>
  readonly #mapId: number
  readonly #maxEntries: number
  readonly #options: PerfBufferOptions<T>
  readonly #cpus = new Map<number, CpuBuffer>()
  /** What was lost in buffers that are gone. */
  readonly #lostBefore = new Map<number, bigint>()
  readonly #timer: NodeJS.Timeout | undefined
  #frozen = false

  /** @param map - a map of type perf_event_array, after load; the buffers of its CPUs work on when the map is closed */
  constructor(map: BpfMap<unknown, unknown>, options: PerfBufferOptions<T> = {}) {
    super(`perf buffer '${expectMap(map).name}'`, options)
    const { pages = 64, overwritable = false } = options
    if (!Number.isInteger(pages)) throw new TypeError('pages is not a whole number')
    if (pages < 1 || !Number.isInteger(Math.log2(pages))) throw new RangeError('pages is not a power of two')
    if (typeof overwritable !== 'boolean') throw new TypeError('overwritable is not a boolean')
    this.#mapId = expectNoConsumer('perf buffer', map)
    this.#map = map
    this.#maxEntries = map.maxEntries
    this.#options = options
    try {
      this.#addCpus(onlineCpus())
    } catch (error) {
      this.close()
      throw error
    }
    // The timer must not keep a reader that was forgotten.
    const self = new WeakRef(this)
    const timer = setInterval(() => {
      const reader = self.deref()
      if (reader === undefined) clearInterval(timer)
      else reader.#lookAtCpus()
    }, cpuIntervalMs).unref()
    this.#timer = timer
  }

  /** Records that there was no room for, as far as the kernel has told: it does so with the next record that fits. Those that were written over do not count. */
  get lost(): bigint {
    return [...this.lostByCpu.values()].reduce((sum, lost) => sum + lost, 0n)
  }

  /** The same for each CPU. */
  get lostByCpu(): ReadonlyMap<number, bigint> {
    this.expectOpen()
    const lost = new Map(this.#lostBefore)
    for (const [cpu, buffer] of this.#cpus) lost.set(cpu, (lost.get(cpu) ?? 0n) + lostIn(buffer))
    return lost
  }

  /** Bytes, of all CPUs together. */
  get size(): number {
    return this.#sum(native.perfBufferSize)
  }

  /** Bytes in the kernel that were not consumed, with the headers of records. */
  get availableBytes(): number {
    return this.#sum(native.perfBufferAvailable)
  }

  /**
   * The newest records of an overwritable buffer: the oldest of a CPU first, one CPU after the other. They stay in the buffer until they are written over. The
   * CPUs are paused meanwhile, so that all end at the same time. What programs write then is not recorded.
   *
   * @throws BpfError ERR_BPF_STATE when it is not overwritable
   */
  snapshot(): T[] {
    this.expectOpen()
    if (this.#options.overwritable !== true) {
      throw this.error('is not overwritable: on(), drain() and for await read it', 'ERR_BPF_STATE')
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
   * Leaves records in the kernel's ring until {@link resume}. The reader stays. An overwritable buffer records nothing until then, and
   * keeps what it has.
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
    for (const buffer of this.#cpus.values()) {
      if (buffer.recorder !== undefined) native.perfRecorderClose(buffer.recorder)
      endToConsume(this.#mapId, handleOf(buffer))
    }
  }

  protected override expectReadable(): void {
    super.expectReadable()
    if (this.#options.overwritable === true) {
      throw this.error('is overwritable: snapshot() reads it', 'ERR_BPF_STATE')
    }
  }

  /** As when its CPU has gone offline, which some kernels tell. It is looked for again. */
  protected override sourceEnded(source: EventSource): void {
    for (const [cpu, buffer] of this.#cpus) if (buffer.source === source) this.#remove(cpu, buffer)
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

  #sum(read: (source: EventSource['handle']) => number): number {
    this.expectOpen()
    let sum = 0
    for (const { source } of this.#cpus.values()) if (source !== undefined) sum += read(source.handle)
    return sum
  }

  #addCpus(cpus: number[]): void {
    for (const cpu of cpus) {
      if (this.#cpus.has(cpu) || cpu >= this.#maxEntries) continue
      try {
        const buffer = this.#open(cpu)
        this.#cpus.set(cpu, buffer)
        beginToConsume(this.#mapId, handleOf(buffer))
      } catch (error) {
        // The CPU has gone since the list was read.
        if (!(error instanceof BpfError && error.code === 'ENODEV')) throw error
      }
    }
  }

  #open(cpu: number): CpuBuffer {
    const { pages = 64, wakeupEvents = 1, watermark = 0, overwritable } = this.#options
    const map = mapHandles.of(this.#map)
    if (overwritable !== true) {
      const source = this.addSource((onBatch) =>
        native.perfBufferNew(map, cpu, pages, wakeupEvents, watermark, onBatch),
      )
      return { source, recorder: undefined, time: 0n }
    }
    const { name } = this.#map
    if (this.#map.type !== 'perf_event_array') {
      throw new BpfError(`read perf buffer '${name}': it is of type ${this.#map.type}`, {
        code: 'EINVAL',
        map: name,
      })
    }
    const recorder = attempt({ what: `read perf buffer '${name}'`, map: name }, () =>
      native.perfRecorderNew(map, cpu, pages),
    )
    if (this.#frozen) native.perfRecorderPause(recorder, true)
    return { source: undefined, recorder, time: 0n }
  }

  /** The kernel takes a buffer off a CPU that goes offline, as all but the first do when a machine sleeps, and does not put it back. */
  #lookAtCpus(): void {
    try {
      const online = onlineCpus()
      for (const [cpu, buffer] of this.#cpus) {
        const time = timeOf(buffer)
        const isOnCpu = online.includes(cpu) && time > buffer.time
        buffer.time = time
        if (isOnCpu) continue
        // What it recorded last is worth keeping until there is something new.
        const isRead = buffer.source === undefined ? online.includes(cpu) : isEmpty(buffer.source)
        if (isRead) this.#remove(cpu, buffer)
      }
      this.#addCpus(online)
    } catch {
      // The CPU has gone again, or the map is closed. Nobody is there to be told.
    }
  }

  #remove(cpu: number, buffer: CpuBuffer): void {
    this.#lostBefore.set(cpu, (this.#lostBefore.get(cpu) ?? 0n) + lostIn(buffer))
    this.#cpus.delete(cpu)
    if (buffer.source !== undefined) this.removeSource(buffer.source)
    if (buffer.recorder !== undefined) native.perfRecorderClose(buffer.recorder)
    endToConsume(this.#mapId, handleOf(buffer))
  }
}

const handleOf = ({ source, recorder }: CpuBuffer): object => source?.handle ?? recorder!

const lostIn = ({ source }: CpuBuffer): bigint =>
  source === undefined ? 0n : native.perfBufferLost(source.handle)

const timeOf = ({ source, recorder }: CpuBuffer): bigint =>
  source === undefined ? native.perfRecorderTime(recorder!) : native.perfBufferTime(source.handle)

const isEmpty = (source: EventSource): boolean =>
  source.left === 0 && native.perfBufferAvailable(source.handle) === 0
