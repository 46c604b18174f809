// Bundles the compiled library into few files, in place of its entry points: as many modules, it takes three times as
// long to import and three times the memory (npm run bench -- import). Code that entry points share is in chunks, so
// that there is one library whatever is imported. Each command of the command line has a chunk that is loaded on
// demand.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { files } from './files.mjs'

const folder = 'dist/lib'
const entries = [
  'index',
  'skeleton',
  'asm',
  'testing',
  'testing/vitest',
  'kernel',
  'symbols',
  'trace',
  'hooks',
  'format',
  'log',
  'c',
  'xdp',
  'cli/main',
]

/**
 * An import of a built-in module creates a wrapper that reads all exports, which takes 0.2 ms each, and a getter of
 * node:fs loads the streams. process.getBuiltinModule takes 5 µs.
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
      // What also runs where there is no native addon: types, what is made of them, and the text of instructions.
      {
        name: 'types',
        test: /\/dist\/lib\/(btf\/(?!btf\.js|c-type\.js)|errors\/nearest|machine\/byte-order|native\/map-types|errors\/errno|format\/address|asm\/text\.js)/,
        priority: 2,
      },
      { name: 'asm', test: /\/dist\/lib\/asm\/(?!text\.js)/, priority: 1 },
      // The library is one file, instead of one for each set of entry points that share it.
      {
        name: 'library',
        test: /\/dist\/lib\/(?!cli|codegen|c\.js|doctor|skeleton|asm(?!\/text\.js)|testing|compiler|kernel\.js|pictures|symbols|hooks|format|log\b|profile|trace|tools|xdp|btf\/c-type|machine\/binary-probes)/,
      },
    ],
  },
})
await bundle.close()
// Removes the bundled modules: importing one of them would load a second library. Their declarations stay.
const kept = new Set(output.map(({ fileName }) => join(folder, fileName)))
for (const path of files(folder, /\.js$/)) if (!kept.has(path)) rmSync(path)
