// Sources are held weakly by native code and do not keep the process alive. Readers do both for all of their sources
// at once, which is cheap enough for each wait of an iteration.
import { setInterval } from 'node:timers'

/** Readers that someone waits for. They must not be collected, even if nothing else refers to them. */
const inUse = new Set<object>()

/** How many of them keep the process alive. */
let holders = 0
let timer: NodeJS.Timeout | undefined

/** Keeps a reader from being garbage-collected, or no longer does so. */
export function setInUse(reader: object, on: boolean): void {
  if (on) inUse.add(reader)
  else inUse.delete(reader)
}

/** Keeps the process alive once more, or once less. */
export function holdProcess(on: boolean): void {
  holders += on ? 1 : -1
  if (holders === 0) timer?.unref()
  else if (on && holders === 1) {
    timer ??= setInterval(() => {}, 2 ** 31 - 1)
    timer.ref()
  }
}
