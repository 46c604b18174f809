// A global setup (vitest.config.ts): fails the run if objects of its files outlive all of them in the kernel.
import { leftBehind, takeSnapshot } from './left-behind.js'

export default function setup(): () => Promise<void> {
  const before = takeSnapshot()
  return async () => {
    const rest = await leftBehind(before, 20, 'kernel')
    if (rest.length === 0) return
    // Vitest prints an error at this place, and ends as if there were none.
    process.exitCode = 1
    throw new Error(`the tests left behind in the kernel: ${rest.join(', ')}`)
  }
}
