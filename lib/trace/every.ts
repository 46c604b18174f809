import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from './session.js'

export interface EveryOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal
}

/**
 * Yields what `read` returns at regular intervals, until the session is closed. The interval does not depend on how
 * long you take to handle a value.
 */
export async function* every<T>(
  session: Session,
  milliseconds: number,
  read: () => T,
  { signal }: EveryOptions = {},
): AsyncGenerator<T, void> {
  if (!(milliseconds > 0 && milliseconds < 2 ** 31))
    throw new RangeError(`milliseconds is ${milliseconds}; it must be more than 0 and less than ${2 ** 31}`)
  const begin = performance.now()
  for (;;) {
    const passed = performance.now() - begin
    const wait = milliseconds - (passed % milliseconds)
    try {
      await sleep(wait, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      if (signal?.aborted) return
      throw error
    }
    if (session.closed) return
    yield read()
  }
}
