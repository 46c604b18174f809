// A probe is written once, as a generator that yields what to ask native code. It can run synchronously or on libuv's
// pool.

interface Request {
  sync(): unknown
  async(): Promise<unknown>
}

export type Probe<T> = Generator<Request, T, unknown>

/** Asks native code with one of two functions that do the same: one that waits and one that returns a Promise. */
export function* ask<A extends unknown[], T>(
  atOnce: (...args: A) => T,
  onPool: (...args: A) => Promise<T>,
  ...args: A
): Probe<T> {
  return (yield { sync: () => atOnce(...args), async: () => onPool(...args) }) as T
}

export function runSync<T>(probe: Probe<T>): T {
  let step = probe.next()
  while (!step.done) step = probe.next(step.value.sync())
  return step.value
}

export async function run<T>(probe: Probe<T>): Promise<T> {
  let step = probe.next()
  while (!step.done) step = probe.next(await step.value.async())
  return step.value
}
