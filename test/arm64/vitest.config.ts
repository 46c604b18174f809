// Runs tests that need no kernel with a Node.js for arm64 in qemu's user emulation, which has no bpf(); see
// scripts/test-arm64.mjs. vitest itself runs natively, only its forks are emulated.
import { defineConfig } from 'vitest/config'
import { common, reporters } from '../vitest.js'

const node = process.env.LIBBPF_NODE_ARM64
if (node === undefined) throw new Error('run this with npm run test:arm64')
process.execPath = node

export default defineConfig({
  test: {
    ...common,
    reporters,
    include: [
      'test/arm64/*.test.ts',
      'test/btf/{codec,hostile,layout,parse}.test.ts',
      'test/codegen/comments.test.ts',
      'test/properties/{bytes,text}.test.ts',
    ],
    // Emulation takes more time and memory.
    testNamePattern: /^(?!.*is ready at once and small)/,
    // The leak check needs the kernel.
    setupFiles: [],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
  },
})
