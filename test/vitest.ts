// What all configurations of vitest have in common.
import { fileURLToPath } from 'node:url'
import type { ViteUserConfig } from 'vitest/config'

const root = new URL('..', import.meta.url)

/** What is printed on a machine that is not a guest. */
export const reporters = ['default', './test/helpers/second-attempt.ts']

export const common = {
  root: fileURLToPath(root),
  // A crash stays in one child.
  pool: 'forks',
  setupFiles: ['test/helpers/leaks.ts'],
  testTimeout: 30_000,
  // The kernel and the machine have their own timing. A test that needs its second attempt is named at the end.
  retry: 1,
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
    replacement: fileURLToPath(new URL(`dist/lib/${file}.js`, root)),
  })),
  server: { deps: { external: [/\/dist\/lib\//, /\/packages\/\w+\/dist\//] } },
} satisfies ViteUserConfig['test']
