import type { ActivityEvent } from './events.js'
import { columns, detail, type Summary, summaryLine, wide } from './format.js'

/** Receives events. */
export interface Output {
  event(event: ActivityEvent): void
  /** Called regularly with the number of lost events. */
  lost(count: number): void
  end(summary: Summary): void
}

/** Prints one line per event. */
export class Lines implements Output {
  readonly #format: (item: ActivityEvent | Summary) => string
  #waiting: string[] = []

  private constructor(format: (item: ActivityEvent | Summary) => string) {
    this.#format = format
  }

  static text(): Lines {
    return new Lines((item) =>
      item.kind === 'summary' ? summaryLine(item) : `${columns(item, wide)}${detail(item)}\n`,
    )
  }

  static json(): Lines {
    return new Lines((item) => `${JSON.stringify(item)}\n`)
  }

  event(event: ActivityEvent): void {
    // Events arrive in batches, and each batch is written at once.
    if (this.#waiting.push(this.#format(event)) === 1) setImmediate(() => this.#flush())
  }

  lost(): void {}

  end(summary: Summary): void {
    this.#waiting.push(this.#format(summary))
    this.#flush()
  }

  #flush(): void {
    if (this.#waiting.length > 0) process.stdout.write(this.#waiting.join(''))
    this.#waiting = []
  }
}
