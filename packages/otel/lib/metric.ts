import type { BpfMap } from 'libbpf-node'
import { toHrTime } from './clock.js'
import type { Labels } from './labels.js'
import { type Exemplar, type PlacedExemplar, type Series, SeriesTable } from './series.js'
import { perBatch, Turns, turn } from './turns.js'

/** A map that a metric is read from: a `BpfMap` with keys. */
export type MetricMap<K, V> = Pick<
  BpfMap<K, V>,
  'name' | 'type' | 'maxEntries' | 'isInternal' | 'entriesAsync'
>

/** What all metrics have in common. */
export interface MetricOptions<K, V> {
  /** The name, such as `tcp.retransmits`. For Prometheus, it is written `tcp_retransmits_total`. */
  readonly name: string
  readonly description?: string
  /** The unit in UCUM, such as `s` or `By`. */
  readonly unit?: string
  readonly map: MetricMap<K, V>
  /**
   * The labels of a key. It is called once for each key that appears in the map, and again if the key gets a series of
   * its own after it was among the others. Keys with the same labels are added up. Without it, the whole map is one
   * series.
   */
  readonly labels?: (key: K) => Labels
  /**
   * The maximum number of series; 2,000 by default. What does not fit is added to a series whose labels are all
   * `other`. A series that has not changed for a minute makes room for one that does.
   */
  readonly maxSeries?: number
  /**
   * How many seconds a counter or histogram is reported after its last key has left the map; 300 by default. A series
   * that ended makes room for a new one before that, if the limit is reached.
   */
  readonly staleAfter?: number
  /**
   * Returns an exemplar: one of the things that an entry counts, as noted by its program, for example with the id of a
   * trace or a process. It is called for entries that have changed. A series keeps the newest exemplar of each bucket.
   * OpenMetrics has exemplars; OpenTelemetry's SDK for JavaScript does not.
   */
  readonly exemplar?: (value: V, key: K) => NotedExemplar | undefined
}

/** What a program has noted about one of the things that it counts. */
export interface NotedExemplar {
  readonly labels: Labels
  /** Its value, in the unit of the metric. */
  readonly value: number
  /** When it happened, as returned by `bpf_ktime_get_ns`. */
  readonly time?: bigint
}

export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** A metric that has been read. */
export interface MetricReading {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: MetricKind
  /** The upper bounds of the buckets of a histogram, without the last one. */
  readonly boundaries: readonly number[]
  /** Whether a histogram has a sum. */
  readonly hasSum: boolean
  /** A histogram has the count of each bucket, one more than there are boundaries, and then the sum. */
  readonly series: Iterable<Series>
}

/** Something that can be read as a metric. */
export interface Metric {
  readonly name: string
  readonly kind: MetricKind
  readonly description: string
  readonly unit: string
  read(now: number): Promise<MetricReading>
}

export const defaultMaxSeries = 2000
export const defaultStaleAfter = 300

/** What the values of a map are turned into. */
export interface Shape<K, V> {
  /** The numbers of an entry. The next call may overwrite them. */
  readonly numbersOf: (value: V, key: K) => ArrayLike<number>
  readonly boundaries: readonly number[]
  readonly hasSum: boolean
}

/** A metric whose series come from the entries of a map. */
export class MapMetric<K, V> implements Metric {
  readonly kind: MetricKind
  readonly #options: MetricOptions<K, V>
  readonly #shape: Shape<K, V>
  readonly #table: SeriesTable

  constructor(kind: MetricKind, options: MetricOptions<K, V>, shape: Shape<K, V>) {
    const { maxSeries = defaultMaxSeries, staleAfter = defaultStaleAfter, name } = options
    if (!/^[a-zA-Z][\w.\-/]*$/.test(name)) throw new TypeError(`the name of a metric cannot be '${name}'`)
    if (!Number.isInteger(maxSeries) || maxSeries < 1)
      throw new RangeError(`metric ${name}: maxSeries is ${maxSeries}, which is not a positive integer`)
    if (!(staleAfter >= 0)) throw new RangeError(`metric ${name}: staleAfter is ${staleAfter}`)
    this.kind = kind
    this.#options = options
    this.#shape = shape
    this.#table = new SeriesTable({
      width: kind === 'histogram' ? shape.boundaries.length + 2 : 1,
      isCumulative: kind !== 'gauge',
      limit: maxSeries,
      staleAfter: staleAfter * 1000,
    })
  }

  get name(): string {
    return this.#options.name
  }

  get description(): string {
    return this.#options.description ?? ''
  }

  get unit(): string {
    return this.#options.unit ?? ''
  }

  /** How full the map is: the share of its entries that are used. */
  get pressure(): number {
    return this.#table.keys / Math.max(1, this.#options.map.maxEntries)
  }

  get map(): MetricMap<K, V> {
    return this.#options.map
  }

  async read(now: number): Promise<MetricReading> {
    const { name, map, labels = () => ({}), exemplar } = this.#options
    const table = this.#table
    table.begin(now)
    const turns = new Turns()
    let read = 0
    for await (const [key, value] of map.entriesAsync()) {
      // Reading the next batch has given the event loop a turn.
      if (turns.isDue(read++ % perBatch === 0)) await turn()
      const noted = exemplar && (() => this.#place(exemplar(value, key)))
      table.add(key, this.#shape.numbersOf(value, key), labels, noted)
    }
    table.end(now)
    return {
      name,
      description: this.description,
      unit: this.unit,
      kind: this.kind,
      boundaries: this.#shape.boundaries,
      hasSum: this.#shape.hasSum,
      series: { [Symbol.iterator]: () => table.series() },
    }
  }

  /** Finds the bucket that an exemplar belongs to. */
  #place(noted: NotedExemplar | undefined): PlacedExemplar | undefined {
    if (noted === undefined) return undefined
    const { labels, value, time } = noted
    const { boundaries } = this.#shape
    const slot = boundaries.findIndex((bound) => value <= bound)
    const exemplar: Exemplar = { labels, value, ...(time !== undefined && { time: toMilliseconds(time) }) }
    return { slot: slot < 0 ? boundaries.length : slot, exemplar }
  }
}

function toMilliseconds(monotonic: bigint): number {
  const [seconds, nanoseconds] = toHrTime(monotonic)
  return seconds * 1000 + nanoseconds / 1e6
}
