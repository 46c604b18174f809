import { readFileSync } from 'node:fs'
import { native } from './binding.js'
import type { Codec } from './btf/codec.js'
import { beginToConsume, endToConsume, expectNoConsumer } from './consumers.js'
import { EventReader, type EventReaderOptions } from './event-reader.js'
import type { EventSource } from './event-source.js'
import { type BpfMap, handleOfMap } from './map.js'

export interface PerfBufferOptions<T = unknown> extends EventReaderOptions {
  /** Makes values of the records; without it they are copies of their bytes. */
  codec?: Codec<T>
  /** Memory pages for each CPU, a power of two; 64 by default. */
  pages?: number
  /** Wakes the reader by every so many records of a CPU; 1 by default. */
  wakeupEvents?: number
  /** Wakes the reader by every so many bytes of a CPU, instead. */
  watermark?: number
}

/** How often CPUs that have come online are looked for. */
const cpuIntervalMs = 1000

/**
 * A consumer of a perf event array (Linux 4.4), the elder of the ring buffer: one buffer for each CPU, in which order holds only for a CPU. How to
 * read it, see {@link EventReader}. Records may have up to 7 bytes of padding at their end.
 */
export class PerfBuffer<T = Uint8Array> extends EventReader<T> {
  readonly #map: BpfMap<unknown, unknown>
  readonly #mapId: number
  readonly #maxEntries: number
  readonly #options: PerfBufferOptions<T>
  readonly #cpus = new Map<number, EventSource>()
  readonly #timer: NodeJS.Timeout

  /** @param map - a map of type perf_event_array, after load; the buffers of its CPUs work on when the map is closed */
  constructor(map: BpfMap<unknown, unknown>, options: PerfBufferOptions<T> = {}) {
    super(`perf buffer '${map.name}'`, options)
    const { pages = 64 } = options
    if (!Number.isInteger(pages)) throw new TypeError('pages is not a whole number')
    if (pages < 1 || !Number.isInteger(Math.log2(pages))) throw new RangeError('pages is not a power of two')
    this.#mapId = expectNoConsumer('perf buffer', map)
    this.#map = map
    this.#maxEntries = map.maxEntries
    this.#options = options
    try {
      this.#addCpus()
    } catch (error) {
      this.close()
      throw error
    }
    beginToConsume(this.#mapId)
    this.#timer = setInterval(() => this.#addNewCpus(), cpuIntervalMs).unref()
  }

  /** Records that there was no room for, as far as the kernel has told: it does so with the next record that fits. */
  get lost(): bigint {
    return [...this.lostByCpu.values()].reduce((sum, lost) => sum + lost, 0n)
  }

  /** The same for each CPU. */
  get lostByCpu(): ReadonlyMap<number, bigint> {
    this.expectOpen()
    return new Map([...this.#cpus].map(([cpu, source]) => [cpu, native.perfBufferLost(source.handle)]))
  }

  override close(): void {
    clearInterval(this.#timer)
    if (!this.closed) endToConsume(this.#mapId)
    super.close()
  }

  #addCpus(): void {
    const { pages = 64, wakeupEvents = 1, watermark = 0 } = this.#options
    for (const cpu of onlineCpus()) {
      if (this.#cpus.has(cpu) || cpu >= this.#maxEntries) continue
      const source = this.addSource((onBatch) =>
        native.perfBufferNew(handleOfMap(this.#map), cpu, pages, wakeupEvents, watermark, onBatch),
      )
      this.#cpus.set(cpu, source)
    }
  }

  #addNewCpus(): void {
    try {
      this.#addCpus()
    } catch {
      // The CPU has gone again, or the map is closed. Nobody is there to be told.
    }
  }
}

/** The kernel's list: '0-3,6'. */
function onlineCpus(): number[] {
  const list = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim()
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}
