/** How many entries are read, or points are made, before the event loop gets a turn. */
export const perTurn = 512

/** Gives the event loop a turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
