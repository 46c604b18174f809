/**
 * Adds the matchers for BPF programs to vitest. Import it in a test, or name it in `setupFiles`.
 *
 * @packageDocumentation
 */
import { expect } from 'vitest'
import { matchers } from './matchers.js'

expect.extend(matchers)

declare module 'vitest' {
  interface Assertion<T> {
    /** That a run of a program returned a number, or an action by its name: `toReturn('XDP_DROP')`. */
    toReturn(expected?: number | string): T extends never ? T : void
    /** That programs have submitted records that match, since they were last taken. Takes them. */
    toHaveSubmitted(map: string, type: string, expected: readonly unknown[]): void
  }
}
