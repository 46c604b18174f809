// Checks the format, lint rules and types of everything. --format corrects the format instead.
import { checkReports } from './declarations.mjs'
import { files } from './files.mjs'
import { checkTable } from './libbpf-table.mjs'
import { root, run, say } from './run.mjs'
import { ensureClangFormat } from './tools.mjs'

const format = process.argv.includes('--format')
process.chdir(root)

const checks = {
  biome: () =>
    run(
      'node_modules/.bin/biome',
      format ? ['check', '--write', '--colors=off', '.'] : ['ci', '--colors=off', '.'],
    ),
  async types() {
    for (const folder of ['test', 'packages'])
      await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', `${folder}/tsconfig.json`])
  },
  // docs/api-report.txt and its like, so that a change of the public API is seen in review.
  api: () => checkReports(format),
  // docs/libbpf.md, so that an update of libbpf cannot bring a function that nobody has looked at.
  libbpf: () => checkTable(format),
  async 'clang-format'() {
    const sources = [
      ...files('binding', /\.(cc|h)$/),
      ...['examples', 'include', 'test', 'bench'].flatMap((folder) => files(folder, /\.(c|h)$/)),
    ]
    const how = format ? ['-i'] : ['--dry-run', '-Werror']
    return run(await ensureClangFormat(), [...how, ...sources])
  },
}

for (const [name, check] of Object.entries(checks)) {
  if (format && name === 'types') continue
  try {
    await check()
    say(`check: ${name}: ok`)
  } catch (error) {
    say(`check: ${name}: failed\n${error.message}\n`)
    process.exitCode = 1
  }
}
