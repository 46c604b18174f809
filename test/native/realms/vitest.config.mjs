import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.mjs'],
    pool: 'vmForks',
    alias: { 'libbpf-node': fileURLToPath(new URL('../../../dist/lib/index.js', import.meta.url)) },
    server: { deps: { external: [/\/dist\/lib\//] } },
  },
})
