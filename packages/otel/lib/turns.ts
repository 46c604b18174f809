/** How many points are made before the event loop gets a turn. */
export const perTurn = 2048

/** How many entries `entriesAsync` reads at once. Each time is a turn of the event loop, which may be busy. */
export const perBatch = 4096

/** ... or how many milliseconds pass: the first time takes longest, because labels are made and code is compiled. */
const mostInTurn = 3
/** How often the clock is looked at. */
const betweenLooks = 64

/** Gives the event loop a turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Says when the event loop needs a turn. */
export class Turns {
  #done = 0
  #began = performance.now()

  /** Called after each piece of work. `isOver` says that there was a turn anyway. */
  isDue(isOver: boolean): boolean {
    this.#done++
    if (isOver) {
      this.#began = performance.now()
      return false
    }
    if (this.#done % betweenLooks !== 0 || performance.now() - this.#began < mostInTurn) return false
    this.#began = performance.now()
    return true
  }
}
