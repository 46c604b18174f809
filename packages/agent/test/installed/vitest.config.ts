// The packages of the agent, installed into a Debian of their own; see scripts/test-deploy.mjs.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import base from '../../../../vitest.config.js'

export default defineConfig({
  test: {
    ...base.test,
    root: fileURLToPath(new URL('../../../..', import.meta.url)),
    include: ['packages/agent/test/installed/*.test.ts'],
    exclude: [],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
