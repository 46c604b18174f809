// Looks for crashes with libFuzzer, for so many seconds each (60): what libbpf and libelf make of damaged object files and BTF. What it
// finds stays in build/fuzz as crash-*, leak-* or timeout-*, and is run again by giving it to the program beside it.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Failure, root, run, say, settings } from './run.mjs'
import { ensurePrograms } from './tools.mjs'

const [seconds = '60'] = process.argv.slice(2)
const folder = join(root, 'build/fuzz')

/** Our own object files to begin with, and the BTF in them. */
function writeCorpus() {
  const native = createRequire(import.meta.url)('node-gyp-build')(root)
  const from = join(root, 'dist/test/bpf')
  for (const kind of ['object', 'btf']) mkdirSync(join(folder, 'corpus', kind), { recursive: true })
  for (const name of readdirSync(from).filter((name) => name.endsWith('.bpf.o'))) {
    const bytes = readFileSync(join(from, name))
    writeFileSync(join(folder, 'corpus/object', name), bytes)
    try {
      const none = undefined
      const btf = native.objectBtf(native.objectOpen(bytes, none, none, none, none, none, false, 0, 0))
      if (btf) writeFileSync(join(folder, 'corpus/btf', name), btf)
    } catch {
      // Some are there to be refused.
    }
  }
}

try {
  process.chdir(root)
  await ensurePrograms({ 'clang++-16': 'clang-16' })
  mkdirSync(folder, { recursive: true })
  writeCorpus()
  say('fuzz: building')
  const env = { ...process.env, CC: 'clang-16', CXX: 'clang++-16' }
  await run('cmake', ['-S', 'test/fuzz', '-B', folder], { env })
  await run('cmake', ['--build', folder, '--parallel'])
  settings.verbose = true
  // libbpf 1.7's linker leaks the BTF of an object that it refuses.
  const limits = [`-max_total_time=${seconds}`, '-timeout=30', '-max_len=60000', '-detect_leaks=0']
  for (const [name, corpus] of Object.entries({ object: 'object', btf: 'btf', linker: 'object' })) {
    say(`fuzz: ${name}`)
    await run(join(folder, `fuzz-${name}`), [...limits, join('corpus', corpus)], { cwd: folder })
  }
} catch (error) {
  say(`fuzz: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
