// The tests in a guest, which is slow: one process runs all files.
import { defineConfig } from 'vitest/config'
import { common } from '../../test/vitest.js'

const timeout = 30_000 * Number(process.env.LIBBPF_NODE_SLOWNESS)

export default defineConfig({
  test: {
    ...common,
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    isolate: false,
    fileParallelism: false,
    // The CPUs of a guest share one thread, so that V8's helpers only get in the way: they cost 10 %.
    execArgv: ['--single-threaded'],
    testTimeout: timeout,
    hookTimeout: timeout,
    reporters: ['./scripts/kernels/reporter.mjs'],
  },
})
