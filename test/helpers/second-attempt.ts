// A reporter for vitest: names the tests that passed only at the second attempt, and why the first one failed.
import type { TestCase } from 'vitest/node'
import type { Reporter } from 'vitest/reporters'

export default class implements Reporter {
  readonly #flaky: TestCase[] = []

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky) this.#flaky.push(test)
  }

  onTestRunEnd(): void {
    if (this.#flaky.length === 0) return
    console.log('\nPassed at the second attempt only:')
    for (const test of this.#flaky) {
      console.log(`  ${test.module.relativeModuleId} > ${test.fullName}`)
      for (const { message, diff } of test.result().errors ?? []) console.log(message, diff ?? '')
    }
  }
}
