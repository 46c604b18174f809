/**
 * Adds the matchers for BPF programs to vitest. Import it in a test, or name it in `setupFiles`.
 *
 * @packageDocumentation
 */
import { expect } from 'vitest'
import { matchers } from './matchers.js'

expect.extend(matchers)

declare module 'vitest' {
  interface Matchers<T> {
    /** Checks what a run returned: a number, or the name of an action, as in `toHaveRetval('XDP_DROP')`. */
    toHaveRetval(expected: number | string): T extends never ? T : void
    /** Checks the records that programs have submitted since the last call, and takes them out. */
    toHaveSubmitted(map: string, type: string, expected: readonly unknown[]): void
  }
}
