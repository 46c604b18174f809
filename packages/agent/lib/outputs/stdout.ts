import { once } from 'node:events'
import { type AgentEvent, lineOf, type Output } from './output.js'

/** Bytes that may wait for a reader of the pipe that is too slow. */
const mostWaiting = 1 << 22

/** One line with a JSON object for each event. */
export class StdoutOutput implements Output {
  #isGone = false
  readonly #onError: (error: Error) => void

  constructor(report: (reason: string) => void) {
    this.#onError = (error) => {
      if (!this.#isGone) report(`stdout: events cannot be written any more: ${error.message}`)
      this.#isGone = true
    }
    process.stdout.on('error', this.#onError)
  }

  write(event: AgentEvent): boolean {
    if (this.#isGone) return false
    if (process.stdout.writableLength >= mostWaiting) return false
    process.stdout.write(lineOf(event))
    return true
  }

  async close(): Promise<void> {
    if (!this.#isGone && process.stdout.writableLength > 0) await once(process.stdout, 'drain')
    process.stdout.off('error', this.#onError)
  }
}
