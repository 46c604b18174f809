import { isDeepStrictEqual } from 'node:util'
import type { RunResult, TestObject } from './test-object.js'

interface MatcherResult {
  readonly pass: boolean
  readonly message: () => string
  readonly actual?: unknown
  readonly expected?: unknown
}

/**
 * Matchers for Jest and others: `expect.extend(matchers)`. With vitest, import `libbpf-node/testing/vitest`, which also
 * declares their types.
 *
 * @example
 * expect(program.run({ packet })).toHaveRetval('XDP_DROP')
 * expect(object).toHaveSubmitted('events', 'event', [{ pid: 42 }])
 */
export const matchers = {
  /** Checks what a run returned: a number, or the name of an action. */
  toHaveRetval(received: RunResult, expected: number | string): MatcherResult {
    const actual =
      typeof expected === 'string' ? (received.action ?? String(received.retval)) : received.retval
    return {
      pass: actual === expected,
      message: () => `the program returned ${received.action ?? received.retval} instead of ${expected}`,
      actual,
      expected,
    }
  },

  /** Checks the records that programs have put into a ring or perf buffer since the last call, and takes them out. */
  toHaveSubmitted(
    received: TestObject,
    map: string,
    type: string,
    expected: readonly unknown[],
  ): MatcherResult {
    const actual = received.events(map, type)
    const pass = actual.length === expected.length && expected.every((one, i) => contains(actual[i], one))
    return {
      pass,
      message: () =>
        `map '${map}' has ${actual.length} records, and ${expected.length} that match were expected`,
      actual,
      expected,
    }
  },
}

/** Whether a value has all expected members with the expected values. Other members are ignored. */
function contains(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null || ArrayBuffer.isView(expected)) {
    return isDeepStrictEqual(actual, expected)
  }
  if (typeof actual !== 'object' || actual === null) return false
  return Object.entries(expected).every(([key, one]) =>
    contains((actual as Record<string, unknown>)[key], one),
  )
}
