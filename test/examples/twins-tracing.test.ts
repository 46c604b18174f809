// The tracing examples once more, with their kernel sides in TypeScript: the same work gives the same output.
import { expect, it } from 'vitest'
import { twins } from '../helpers/example.js'
import { tracingExamples } from './tracing.js'

tracingExamples('TypeScript')

it('at least 35 examples have a twin in TypeScript', () => {
  expect(twins.length).toBeGreaterThanOrEqual(35)
})
