// Compiles the packages: TypeScript with tsc, and their BPF programs with our own compiler.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { files } from './files.mjs'
import { root, run } from './run.mjs'

process.chdir(root)
for (const name of ['otel', 'agent'])
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', `packages/${name}`])

await run(process.execPath, ['scripts/declarations.mjs', '--otel'])

chmodSync('packages/agent/dist/main.js', 0o755)

// The schema becomes code, so that the agent needs neither the memory nor the time to do that.
const require = createRequire(join(root, 'packages/agent/package.json'))
const { Ajv } = require('ajv')
const { default: standaloneCode } = require('ajv/dist/standalone')
const schema = JSON.parse(readFileSync('packages/agent/config.schema.json', 'utf8'))
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  allowUnionTypes: true,
  code: { source: true, esm: true },
})
ajv.addSchema(schema, 'config')
const validators = { validateConfig: 'config', validateProgram: 'config#/definitions/program' }
writeFileSync('packages/agent/dist/config/validate.js', standaloneCode(ajv, validators))

// The oldest kernel that the suite runs on.
const oldestKernel = '5.10'
const { compile } = await import(join(root, 'dist/lib/kernel.js'))
const programs = ['agent/collections', 'otel/programs'].flatMap((folder) =>
  files(`packages/${folder}`, /\.bpf\.ts$/),
)
for (const file of programs) {
  const { object } = compile(readFileSync(file, 'utf8'), {
    file: basename(file),
    resolveDir: dirname(file),
    oldestKernel,
  })
  writeFileSync(file.replace(/ts$/, 'o'), object)
}
