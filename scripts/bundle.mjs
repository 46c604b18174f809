// Makes few files of the compiled library, in the place of its entries: as forty modules it takes three times as long to import, and three
// times the memory (npm run bench -- import). What the entries share is in chunks beside them, so that there is one library whoever is imported;
// sub-commands of the command line are read when they are called.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { files } from './files.mjs'

const folder = 'dist/lib'
const entries = ['index', 'skeleton', 'cli/main']

const bundle = await rolldown({
  input: Object.fromEntries(entries.map((name) => [name, join(folder, `${name}.js`)])),
  platform: 'node',
  logLevel: 'warn',
})
const { output } = await bundle.write({
  dir: folder,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name].js',
  comments: { legal: true, jsdoc: false, annotation: false },
})
await bundle.close()
// Somebody who imported one of the others would have a second library. Their declarations stay.
const kept = new Set(output.map(({ fileName }) => join(folder, fileName)))
for (const path of files(folder, /\.js$/)) if (!kept.has(path)) rmSync(path)
