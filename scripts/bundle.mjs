// Makes one file of the compiled library, in the place of its entry: as forty modules it takes three times as long to import, and three
// times the memory (npm run bench -- import).
import { rmSync } from 'node:fs'
import { rolldown } from 'rolldown'
import { files } from './files.mjs'

const entry = 'dist/lib/index.js'

const bundle = await rolldown({ input: entry, platform: 'node', logLevel: 'warn' })
await bundle.write({ file: entry, format: 'esm', comments: { legal: true, jsdoc: false, annotation: false } })
await bundle.close()
// Somebody who imported one of the others would have a second library. Their declarations stay.
for (const path of files('dist/lib', /\.js$/)) if (path !== entry) rmSync(path)
