import { setTimeout as sleep } from 'node:timers/promises'
import { slowness } from './slowness.js'

/**
 * Waits until a condition is true, or fails and names it. For things that the kernel does at some time without notice.
 */
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
