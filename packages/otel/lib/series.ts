import { identityOf, type Labels, labelsIdentity, otherLabels } from './labels.js'

export interface SeriesOptions {
  /** Numbers that a series has: one, or those of a histogram. */
  readonly width: number
  /** Whether values only grow. What is added to them counts, so that a series survives the keys that it came from. */
  readonly isCumulative: boolean
  /** The most series. What does not fit goes into one whose labels are all `other`. */
  readonly limit: number
  /** Milliseconds that a series is kept after its last key has left the map. */
  readonly staleAfter: number
}

export interface Series {
  readonly labels: Labels
  readonly values: readonly number[]
}

interface OwnSeries extends Series {
  readonly values: number[]
  readonly identity: string
  readonly isOther: boolean
  /** How many keys of the map it has. */
  keys: number
  /** When it lost its last key. */
  endedAt: number
}

/** A key of a map: what it had when it was last read. */
interface Source {
  readonly series: OwnSeries
  readonly last: number[]
  reading: number
}

/**
 * The series of one metric. Several keys of a map can have the same labels; their values are added. A key that
 * disappears, because its program deletes it or an LRU map evicts it, takes nothing away from a cumulative series.
 */
export class SeriesTable {
  readonly #options: SeriesOptions
  readonly #series = new Map<string, OwnSeries>()
  readonly #sources = new Map<unknown, Source>()
  #other: OwnSeries | undefined
  #reading = 0

  constructor(options: SeriesOptions) {
    this.#options = options
  }

  /** How many keys the map had when it was last read. */
  get keys(): number {
    return this.#sources.size
  }

  /** Begins to read the map. */
  begin(): void {
    this.#reading++
    if (this.#options.isCumulative) return
    for (const { values } of this.#series.values()) values.fill(0)
    this.#other?.values.fill(0)
  }

  /** Adds the values of a key. `labels` is only called for a key that is new. */
  add<K>(key: K, values: ArrayLike<number>, labels: (key: K) => Labels): void {
    const identity = identityOf(key)
    let source = this.#sources.get(identity)
    if (source === undefined) {
      source = { series: this.#seriesFor(labels(key)), last: this.#zeros(), reading: 0 }
      source.series.keys++
      this.#sources.set(identity, source)
    }
    // A key of a map that changes can come twice.
    if (source.reading === this.#reading) return
    source.reading = this.#reading
    const { last, series } = source
    if (this.#options.isCumulative) {
      for (let i = 0; i < last.length; i++) {
        const value = values[i] ?? 0
        // Less than before: the entry was deleted and made anew, and began at 0.
        series.values[i]! += value >= last[i]! ? value - last[i]! : value
        last[i] = value
      }
    } else for (let i = 0; i < last.length; i++) series.values[i]! += values[i] ?? 0
  }

  /** Ends reading: keys that did not come are gone. */
  end(now: number): void {
    for (const [identity, source] of this.#sources) {
      if (source.reading === this.#reading) continue
      this.#sources.delete(identity)
      if (--source.series.keys === 0) source.series.endedAt = now
    }
    for (const series of this.#series.values()) {
      const isEnded = series.keys === 0
      if (isEnded && (!this.#options.isCumulative || now - series.endedAt >= this.#options.staleAfter))
        this.#series.delete(series.identity)
    }
  }

  *series(): Generator<Series, undefined> {
    yield* this.#series.values()
    if (this.#other !== undefined) yield this.#other
  }

  /** Thousands of typed arrays would keep the garbage collector busy. */
  #zeros(): number[] {
    return new Array<number>(this.#options.width).fill(0)
  }

  #seriesFor(labels: Labels): OwnSeries {
    const identity = labelsIdentity(labels)
    const found = this.#series.get(identity)
    if (found !== undefined) return found
    if (this.#series.size >= this.#options.limit && !this.#evict()) {
      this.#other ??= this.#newSeries('', otherLabels(labels), true)
      return this.#other
    }
    const series = this.#newSeries(identity, labels, false)
    this.#series.set(identity, series)
    return series
  }

  /** Forgets the series that has been without keys for the longest time. */
  #evict(): boolean {
    let oldest: OwnSeries | undefined
    for (const series of this.#series.values())
      if (series.keys === 0 && series.endedAt < (oldest?.endedAt ?? Number.POSITIVE_INFINITY)) oldest = series
    return oldest !== undefined && this.#series.delete(oldest.identity)
  }

  #newSeries(identity: string, labels: Labels, isOther: boolean): OwnSeries {
    return { identity, labels, isOther, values: this.#zeros(), keys: 0, endedAt: 0 }
  }
}
