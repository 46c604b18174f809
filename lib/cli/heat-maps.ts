import { heatMap } from '../pictures/heat-map.js'
import { rangeOf } from '../pictures/histogram.js'
import type { PictureStyle } from '../pictures/style.js'
import { keyText } from '../trace/aggregate.js'
import { type Histogram, titleOf } from '../trace/histogram.js'
import { visible } from './command.js'

/** What has been counted in each interval, by the beginning of the bucket. */
interface Past {
  readonly key: unknown
  readonly ranges: Map<number, string>
  readonly columns: Map<number, number>[]
  readonly last: Map<number, number>
}

/** How a histogram changes: a heat map for each key. */
export class HeatMaps {
  readonly #answer: Histogram<unknown>
  readonly #most: number | undefined
  readonly #pasts = new Map<string, Past>()
  #rounds = 0

  constructor(answer: Histogram<unknown>, most: number | undefined) {
    this.#answer = answer
    this.#most = most
  }

  /** Adds a column for what was counted since the last time. */
  draw(style: PictureStyle): string {
    const groups = this.#answer.groups()
    for (const { key, buckets } of groups) {
      const name = keyText(key)
      const past = this.#pasts.get(name) ?? {
        key,
        ranges: new Map(),
        // It did not exist before.
        columns: Array.from({ length: this.#rounds }, () => new Map()),
        last: new Map(),
      }
      this.#pasts.set(name, past)
      const column = new Map<number, number>()
      for (const bucket of buckets) {
        const { from, count } = bucket
        column.set(from, count - (past.last.get(from) ?? 0))
        past.last.set(from, count)
        past.ranges.set(from, rangeOf(bucket))
      }
      past.columns.push(column)
    }
    this.#rounds++
    return groups
      .slice(0, this.#most)
      .map(({ key }) => this.#picture(this.#pasts.get(keyText(key))!, style))
      .join('\n')
      .trimEnd()
  }

  #picture({ key, ranges, columns }: Past, style: PictureStyle): string {
    const rows = [...ranges.keys()].sort((a, b) => a - b)
    const drawn = heatMap(
      columns.map((column) => rows.map((from) => column.get(from) ?? 0)),
      { ...style, labels: rows.map((from) => ranges.get(from)!) },
    )
    const title = visible(titleOf(key, this.#answer.unit))
    return title === '' ? drawn : `${title}\n${drawn}`
  }
}
