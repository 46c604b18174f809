import { setTimeout as sleep } from 'node:timers/promises'
import { slowness } from './slowness.js'

/** Waits until a condition holds, or fails saying which. For what the kernel does in its own time and tells nobody of. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { seconds = 10 }: { seconds?: number } = {},
): Promise<void> {
  const end = Date.now() + seconds * slowness * 1000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${seconds * slowness} s in vain until ${what}`)
    await sleep(5)
  }
}
