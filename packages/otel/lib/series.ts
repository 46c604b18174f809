import { identityOf, type Labels, labelsIdentity, otherLabels } from './labels.js'

export interface SeriesOptions {
  /** How many numbers a series has: one, or those of a histogram. */
  readonly width: number
  /** Whether values only grow. What is added to them counts, so that a series survives the keys that it came from. */
  readonly isCumulative: boolean
  /**
   * The maximum number of series, which are those that changed most recently. What does not fit goes into one whose
   * labels are all `other`.
   */
  readonly limit: number
  /** Milliseconds that a series is kept after its last key has left the map. */
  readonly staleAfter: number
}

export interface Series {
  readonly labels: Labels
  readonly values: readonly number[]
  /** The newest exemplar of each bucket of a histogram, or the only one of another metric. */
  readonly exemplars?: readonly (Exemplar | undefined)[]
}

/** One of the things that were counted. */
export interface Exemplar {
  /** What it was, such as the id of a trace or a process. OpenMetrics allows 128 characters. */
  readonly labels: Labels
  /** Its value, in the unit of the metric. */
  readonly value: number
  /** When it happened, in milliseconds since 1970. */
  readonly time?: number
}

/** A series that has not changed for this many milliseconds gives its place to one that does. */
const idleAfter = 60_000

interface OwnSeries extends Series {
  readonly values: number[]
  readonly identity: string
  readonly isOther: boolean
  exemplars?: (Exemplar | undefined)[]
  /** How many keys of the map it has. */
  keys: number
  /** In which reading it changed last, and when that was. */
  changedIn: number
  changedAt: number
  /** When it lost its last key. */
  endedAt: number
  /** It has given its place to another one. */
  isGone: boolean
}

/** A key of a map: what it had when it was last read. */
interface Source {
  series: OwnSeries
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
  #now = 0
  /** Series that can give up their places, with the next one at the end. Computed when somebody needs a place. */
  #idle: OwnSeries[] | undefined

  constructor(options: SeriesOptions) {
    this.#options = options
  }

  /** How many keys the map had when it was last read. */
  get keys(): number {
    return this.#sources.size
  }

  /** Begins to read the map. */
  begin(now: number): void {
    this.#reading++
    this.#now = now
    this.#idle = undefined
    if (this.#options.isCumulative) return
    for (const { values } of this.#series.values()) values.fill(0)
    this.#other?.values.fill(0)
  }

  /**
   * Adds the values of a key.
   *
   * @param labels - only called for a key that is new, or that gets a series of its own after it was among the others
   * @param exemplar - only called for a key that has changed
   */
  add<K>(
    key: K,
    values: ArrayLike<number>,
    labels: (key: K) => Labels,
    exemplar?: () => PlacedExemplar | undefined,
  ): void {
    const identity = identityOf(key)
    let source = this.#sources.get(identity)
    const isNew = source === undefined
    if (source === undefined) {
      source = { series: this.#seriesFor(labels(key)), last: this.#zeros(), reading: 0 }
      source.series.keys++
      this.#sources.set(identity, source)
    }
    // A key of a map that changes can come twice.
    if (source.reading === this.#reading) return
    source.reading = this.#reading
    const isChanged = isNew || isDifferent(source.last, values)
    if (source.series.isGone) this.#move(source, this.#others(labels(key)))
    if (isChanged && !isNew && source.series.isOther && this.#hasRoom())
      this.#move(source, this.#seriesFor(labels(key)))
    const { last, series } = source
    if (isChanged) {
      series.changedIn = this.#reading
      series.changedAt = this.#now
      const found = exemplar?.()
      if (found !== undefined) {
        series.exemplars ??= []
        series.exemplars[found.slot] = found.exemplar
      }
    }
    const { isCumulative } = this.#options
    for (let i = 0; i < last.length; i++) {
      const value = values[i] ?? 0
      // Less than before: the entry was deleted and made anew, and began at 0.
      series.values[i]! += isCumulative && value >= last[i]! ? value - last[i]! : value
      last[i] = value
    }
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
    if (!this.#hasRoom()) return this.#others(labels)
    if (this.#series.size >= this.#options.limit) this.#evict(this.#idle!.pop()!)
    const series = this.#newSeries(identity, labels, false)
    this.#series.set(identity, series)
    return series
  }

  #others(labels: Labels): OwnSeries {
    this.#other ??= this.#newSeries('', otherLabels(labels), true)
    return this.#other
  }

  #move(source: Source, to: OwnSeries): void {
    source.series.keys--
    source.series = to
    to.keys++
  }

  #hasRoom(): boolean {
    if (this.#series.size < this.#options.limit) return true
    this.#idle ??= this.#findIdle()
    // What has changed since then is not idle.
    while (this.#idle.length > 0 && this.#idle.at(-1)!.changedIn === this.#reading) this.#idle.pop()
    return this.#idle.length > 0
  }

  /** Those without keys first, and then those that have not changed for the longest time. */
  #findIdle(): OwnSeries[] {
    const age = ({ keys, endedAt, changedAt }: OwnSeries): number =>
      keys === 0 ? endedAt - this.#now : changedAt
    return [...this.#series.values()]
      .filter(({ keys, changedAt }) => keys === 0 || this.#now - changedAt >= idleAfter)
      .sort((a, b) => age(b) - age(a))
  }

  /** Forgets a series. What its keys still count is added to the others. */
  #evict(series: OwnSeries): void {
    this.#series.delete(series.identity)
    series.isGone = true
    // A counter begins anew, as after a restart. The current value of any other metric belongs to its keys.
    if (this.#options.isCumulative || series.keys === 0) return
    const { values } = this.#others(series.labels)
    for (let i = 0; i < values.length; i++) values[i]! += series.values[i]!
  }

  #newSeries(identity: string, labels: Labels, isOther: boolean): OwnSeries {
    const values = this.#zeros()
    const changed = { changedIn: this.#reading, changedAt: this.#now }
    return { identity, labels, isOther, values, keys: 0, ...changed, endedAt: 0, isGone: false }
  }
}

/** An exemplar, and the bucket that it belongs to. */
export interface PlacedExemplar {
  readonly slot: number
  readonly exemplar: Exemplar
}

function isDifferent(last: readonly number[], values: ArrayLike<number>): boolean {
  for (let i = 0; i < last.length; i++) if (last[i] !== (values[i] ?? 0)) return true
  return false
}
