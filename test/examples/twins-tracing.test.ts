// The tests of the tracing examples once more, with their kernel sides in TypeScript: the same work gives the same output.
import { expect, it } from 'vitest'
import { twins, useTwins } from '../helpers/example.js'

useTwins()
await import('./tracing.test.js')

it('at least 25 examples have a twin in TypeScript', () => {
  expect(twins.length).toBeGreaterThanOrEqual(25)
})
