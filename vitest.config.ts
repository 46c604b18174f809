import { defineConfig } from 'vitest/config'
import { common, reporters } from './test/vitest.js'

// Tests that work as usual while others use the kernel. Two of them run at a time.
const apart = [
  'test/{asm,btf,codegen,compiler,docs,errors,format,hooks,log,machine,maps}/**/*.test.ts',
  'test/{objects,package,pictures,programs,properties,symbols,testing}/**/*.test.ts',
  'test/cli/{hooks,init,object,types,usage,words}.test.ts',
  'test/{profile/{outputs,page,push},tools/usage}.test.ts',
  // The examples for networks attach to the same places, so they run alone.
  'test/examples/{activity,drop-privileges,tracing,twins-tracing}.test.ts',
  // The CPU time of an agent is measured while it sheds load.
  'packages/agent/test/!(shedding).test.ts',
]

export default defineConfig({
  test: {
    reporters,
    projects: [
      {
        test: {
          ...common,
          name: 'apart',
          include: apart,
          env: { ...common.env, LIBBPF_NODE_TESTS_BESIDE: '1' },
          globalSetup: ['test/helpers/leaks-of-all.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'kernel',
          include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          // The others have configurations of their own: npm run test:arm64, npm run test:deploy
          exclude: [...apart, 'test/arm64/**', 'packages/agent/test/installed/**'],
          // They measure time, or count what is in the kernel.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
