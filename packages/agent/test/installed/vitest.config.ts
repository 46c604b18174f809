// The packages of the agent, installed into a Debian of their own; see scripts/test-deploy.mjs.
import { defineConfig } from 'vitest/config'
import { common, reporters } from '../../../../test/vitest.js'

export default defineConfig({
  test: {
    ...common,
    reporters,
    include: ['packages/agent/test/installed/*.test.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
