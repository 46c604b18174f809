import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    // Have configurations of their own: npm run test:arm64, npm run test:deploy
    exclude: ['test/arm64/**', 'packages/agent/test/installed/**'],
    // A crash stays in one child, and files that count what is in the kernel do not disturb each other.
    pool: 'forks',
    fileParallelism: false,
    setupFiles: ['test/helpers/leaks.ts'],
    testTimeout: 30_000,
    // The kernel and the machine have their own timing. A test that needs its second attempt is named at the end.
    retry: 1,
    reporters: ['default', './test/helpers/second-attempt.ts'],
    // Bars are drawn with characters that the locale and the terminal have.
    env: { LANG: 'C.UTF-8', LC_ALL: '', LC_CTYPE: '', TERM: 'xterm' },
    // Tests see what is shipped.
    alias: Object.entries({
      '': 'index',
      '/skeleton': 'skeleton',
      '/asm': 'asm',
      '/testing': 'testing',
      '/testing/vitest': 'testing/vitest',
      '/kernel': 'kernel',
      '/symbols': 'symbols',
      '/trace': 'trace',
      '/hooks': 'hooks',
      '/format': 'format',
      '/log': 'log',
      '/c': 'c',
      '/xdp': 'xdp',
    }).map(([entry, file]) => ({
      find: new RegExp(`^libbpf-node${entry}$`),
      replacement: fileURLToPath(new URL(`dist/lib/${file}.js`, import.meta.url)),
    })),
    server: { deps: { external: [/\/dist\/lib\//, /\/packages\/\w+\/dist\//] } },
  },
})
