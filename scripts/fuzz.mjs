// Looks for crashes of libbpf and libelf with libFuzzer: with damaged object files, BTF, and binaries that programs are
// attached to. Findings stay in build/fuzz as crash-*, leak-* or timeout-*. To repeat one, pass it to the program
// beside it.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, root, run, say, settings } from './run.mjs'
import { ensurePrograms, programs } from './tools.mjs'

const fuzzers = { object: 'object', load: 'object', btf: 'btf', linker: 'object', target: 'target' }
const help = `Usage: npm run fuzz -- [--seconds N] [--seed N]... [FUZZER...]

FUZZER is one of ${Object.keys(fuzzers).join(', ')}; by default all of them run.

  --seconds  how long each fuzzer runs with each seed; 60 by default
  --seed     a seed; random by default; can be repeated
`

const folder = join(root, 'build/fuzz')

/** Returns the version of clang, after making sure that its libFuzzer is installed. */
async function ensureClang() {
  const version = [16, 17, 18, 19].find((version) => programs().has(`clang++-${version}`)) ?? 16
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch]
  const libraries = `/usr/lib/llvm-${version}/lib/clang/${version}/lib/linux`
  await ensurePrograms({
    [`clang++-${version}`]: `clang-${version}`,
    [`${libraries}/libclang_rt.fuzzer-${machine}.a`]: `libclang-rt-${version}-dev`,
  })
  return version
}

/** Writes our object files and their BTF, which the fuzzers start with. */
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
      // Some objects cannot be opened on purpose.
    }
  }
}

async function fuzz(names, seconds, seeds) {
  const version = await ensureClang()
  mkdirSync(folder, { recursive: true })
  writeCorpus()
  say('fuzz: building')
  const usdt = join(root, 'dist/test/bpf/attach-usdt.bpf.o')
  const env = {
    ...process.env,
    CC: `clang-${version}`,
    CXX: `clang++-${version}`,
    LIBBPF_NODE_FUZZ_USDT: usdt,
  }
  await run('cmake', ['-S', 'test/fuzz', '-B', folder], { env })
  await run('cmake', ['--build', folder, '--parallel'])
  mkdirSync(join(folder, 'corpus/target'), { recursive: true })
  copyFileSync(join(folder, 'target.so'), join(folder, 'corpus/target/target.so'))
  settings.verbose = true
  const limits = [`-max_total_time=${seconds}`, '-timeout=30', '-max_len=60000']
  for (const seed of seeds) {
    for (const name of names) {
      say(`fuzz: ${name}`)
      const options = [...limits, `-seed=${seed}`, join('corpus', fuzzers[name])]
      // libbpf 1.7 leaks the BTF of an object that its linker refuses, and its cache of refused relocations.
      const leaks = name === 'linker' || name === 'load' ? { ASAN_OPTIONS: 'detect_leaks=0' } : {}
      await run(join(folder, `fuzz-${name}`), options, { cwd: folder, env: { ...env, ...leaks } })
    }
  }
}

try {
  process.chdir(root)
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      // 0 makes libFuzzer choose one.
      seed: { type: 'string', multiple: true, default: ['0'] },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !Object.hasOwn(fuzzers, name))
  if (unknown) throw new Failure(`unknown fuzzer ${unknown}\n\n${help}`)
  // For libFuzzer, 0 means without a limit.
  if (!/^[1-9]\d*$/.test(values.seconds))
    throw new Failure(`--seconds ${values.seconds}: expected a number of seconds\n\n${help}`)
  if (values.help) process.stdout.write(help)
  else await fuzz(positionals.length > 0 ? positionals : Object.keys(fuzzers), values.seconds, values.seed)
} catch (error) {
  const isOurs = error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS')
  say(`fuzz: failed\n${isOurs ? error.message : error.stack}`)
  process.exitCode = 1
}
