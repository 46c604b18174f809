import { once } from 'node:events'
import { type AgentEvent, lineOf, type Output } from './output.js'

/** Bytes that may wait for a reader of the pipe that is too slow. */
const mostWaiting = 1 << 22

/** A JSON object in a line for each event. */
export class StdoutOutput implements Output {
  write(event: AgentEvent): boolean {
    if (process.stdout.writableLength >= mostWaiting) return false
    process.stdout.write(lineOf(event))
    return true
  }

  async close(): Promise<void> {
    if (process.stdout.writableLength > 0) await once(process.stdout, 'drain')
  }
}
