import { once } from 'node:events'
import { type AgentEvent, lineOf, type Output } from './output.js'

/** Bytes that may wait for a reader of the pipe that is too slow. */
const mostWaiting = 1 << 22

/** A JSON object in a line for each event. */
export class StdoutOutput implements Output {
  #isGone = false

  constructor(report: (reason: string) => void) {
    process.stdout.on('error', (error) => {
      if (!this.#isGone) report(`stdout: events cannot be written any more: ${error.message}`)
      this.#isGone = true
    })
  }

  write(event: AgentEvent): boolean {
    if (this.#isGone) return false
    if (process.stdout.writableLength >= mostWaiting) return false
    process.stdout.write(lineOf(event))
    return true
  }

  async close(): Promise<void> {
    if (!this.#isGone && process.stdout.writableLength > 0) await once(process.stdout, 'drain')
  }
}
