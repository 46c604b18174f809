// The reporter for vitest in a guest: prints a line of JSON for every event as it happens, so that the last line
// tells where a kernel or a test stopped.
import { relative } from 'node:path'

const write = (event) => process.stdout.write(`\n@${JSON.stringify(event)}\n`)
const fileOf = (module) => relative(process.cwd(), module.moduleId)
const shown = ({ message, stack, diff }) =>
  [stack?.includes(message) ? stack : message, diff].filter(Boolean).join('\n')

export default class {
  onInit() {
    write({ type: 'begin' })
  }

  onTestModuleStart(module) {
    write({ type: 'file', file: fileOf(module) })
  }

  onTestCaseReady(test) {
    write({ type: 'test', name: test.fullName })
  }

  onTestCaseResult(test) {
    const { state, errors = [] } = test.result()
    write({
      type: 'result',
      file: fileOf(test.module),
      name: test.fullName,
      state,
      flaky: test.diagnostic()?.flaky,
      errors: errors.map(shown),
    })
  }

  // Errors of hooks, and outside of tests.
  onTestModuleEnd(module) {
    const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors())
    write({ type: 'end', file: fileOf(module), errors: [...module.errors(), ...suites].map(shown) })
  }

  onTestRunEnd(_modules, errors) {
    write({ type: 'done', errors: errors.map(shown) })
  }
}
