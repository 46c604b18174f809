// Makes few files of the compiled library, in the place of its entries: as forty modules it takes three times as long to import, and three
// times the memory (npm run bench -- import). What the entries share is in chunks beside them, so that there is one library whoever is imported;
// sub-commands of the command line are read when they are called.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { files } from './files.mjs'

const folder = 'dist/lib'
const entries = ['index', 'skeleton', 'asm', 'testing', 'testing/vitest', 'cli/main']

/**
 * `import` of a module of Node's own makes a second module around it, which reads all that it exports: 0.2 ms each, and node:fs has a
 * getter that loads the streams. Asking for it costs 5 µs.
 */
const builtins = {
  name: 'builtins',
  renderChunk: (code) =>
    code.replace(
      /^import \{(.*)\} from ("node:.*");$/gm,
      (_, names, module) => `const {${names.replace(/ as /g, ': ')}} = process.getBuiltinModule(${module});`,
    ),
}

const bundle = await rolldown({
  input: Object.fromEntries(entries.map((name) => [name, join(folder, `${name}.js`)])),
  platform: 'node',
  external: ['vitest'],
  plugins: [builtins],
  logLevel: 'warn',
})
const { output } = await bundle.write({
  dir: folder,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name].js',
  comments: { legal: true, jsdoc: false, annotation: false },
  codeSplitting: {
    groups: [
      // What also runs where there is no native addon: types, and what is made of them.
      {
        name: 'types',
        test: /\/dist\/lib\/(btf\/(?!btf\.js)|errors\/nearest|machine\/byte-order)/,
        priority: 2,
      },
      { name: 'asm', test: /\/dist\/lib\/asm\//, priority: 1 },
      // What the library's entry needs is one file, not one for each set of entries that share it.
      { name: 'library', test: /\/dist\/lib\/(?!cli|codegen|skeleton|asm|testing)/ },
    ],
  },
})
await bundle.close()
// Somebody who imported one of the others would have a second library. Their declarations stay.
const kept = new Set(output.map(({ fileName }) => join(folder, fileName)))
for (const path of files(folder, /\.js$/)) if (!kept.has(path)) rmSync(path)
