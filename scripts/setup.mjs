// Prepares the repository step by step. A step is skipped when nothing that it reads has changed since the last
// time, which is recorded in build/setup/. Steps that do not need each other run at the same time.
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, release } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { inputs as bpfInputs, compileBpf, objectOf, sources } from './compile-bpf.mjs'
import { files, fingerprint } from './files.mjs'
import { copyHeaders, outputs as headerOutputs } from './headers.mjs'
import { fetchReceivers } from './receivers.mjs'
import { Failure, root, run, say, settings } from './run.mjs'
import { clangFingerprint, ensureClang, ensureTools, toolsFingerprint } from './tools.mjs'

const help = `Usage: scripts/setup [--only STEP,...] [--force] [--verbose]

Prepares the repository for npm start, npm test and the other scripts. Steps that have nothing to do are skipped.

  tools       compilers and cmake; apt installs those that are missing
  clang       the compiler of BPF programs in C, in the same way
  npm         npm ci
  deps        the sources of libbpf, libelf and zlib; LIBBPF_NODE_DEPS may name a folder of tarballs
  addon       build/Release/libbpf_node.node
  headers     dist/include/bpf, libbpf's headers for BPF programs
  ts          dist/, compiled from TypeScript
  vmlinux     build/include/vmlinux.h, the types of the running kernel
  bpf         the BPF programs that npm start needs: those of lib/ and examples/activity/
  examples    the BPF programs of the other examples
  tests       the BPF programs of test/bpf/
  packages    @libbpf-node/otel and @libbpf-node/agent, with the npm packages that they need
  receivers   Debian's Prometheus, VictoriaMetrics and containerd, for the tests of the packages

  --only      run these steps and those that they need
  --force     run them even if nothing has changed
  --verbose   show the output of every command
`

const addon = 'build/Release/libbpf_node.node'
const vmlinux = 'build/include/vmlinux.h'
const kernelBtf = '/sys/kernel/btf/vmlinux'
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))
const node = (...args) => run(process.execPath, args)

const steps = {
  tools: {
    needs: [],
    inputs: toolsFingerprint,
    outputs: () => [],
    run: ensureTools,
  },

  clang: {
    // Not at the same time: apt runs once.
    needs: ['tools'],
    inputs: clangFingerprint,
    outputs: () => [],
    run: ensureClang,
  },

  npm: {
    needs: [],
    title: 'installing npm packages',
    inputs() {
      const { dependencies, devDependencies } = readJson('package.json')
      return [dependencies, devDependencies, readFileSync('package-lock.json', 'utf8')]
    },
    outputs: () => ['node_modules/.package-lock.json'],
    run: () => run('npm', ['ci', '--no-audit', '--no-fund']),
  },

  deps: {
    needs: ['tools'],
    title: 'fetching the sources of libbpf, libelf and zlib',
    inputs: () => readFileSync('deps/versions.json', 'utf8'),
    outputs: () => Object.keys(readJson('deps/versions.json')).map((name) => `deps/${name}/.fetched`),
    async run() {
      const output = await node('scripts/fetch-deps.mjs')
      const warnings = output.split('\n').filter((line) => line.startsWith('WARNING'))
      if (!settings.verbose) warnings.forEach(say)
    },
  },

  addon: {
    needs: ['tools', 'npm', 'deps'],
    title: 'building the addon',
    inputs: () =>
      fingerprint(
        'CMakeLists.txt',
        'deps/CMakeLists.txt',
        'deps/libbpf-elf.c',
        'deps/libbpf-program.c',
        'scripts/check-addon.mjs',
        'node_modules/.package-lock.json',
        ...steps.deps.outputs(),
        ...files('deps/config', /\.h$/),
        ...files('binding', /\.(cc|h|map)$/),
      ),
    outputs: () => [addon],
    async run() {
      const cache = existsSync('build/CMakeCache.txt') ? readFileSync('build/CMakeCache.txt', 'utf8') : ''
      if (forced('addon') || !cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) {
        for (const name of ['CMakeCache.txt', 'CMakeFiles', 'deps', 'Release']) {
          rmSync(join('build', name), { recursive: true, force: true })
        }
      }
      const jobs = String(availableParallelism())
      await node('node_modules/cmake-js/bin/cmake-js', 'build', '--log-level', 'error', '--parallel', jobs)
    },
  },

  headers: {
    needs: ['deps'],
    inputs: () => fingerprint('scripts/headers.mjs', 'deps/libbpf/.fetched'),
    outputs: headerOutputs,
    run: copyHeaders,
  },

  ts: {
    needs: ['npm'],
    title: 'compiling TypeScript',
    inputs: () =>
      fingerprint(
        'tsconfig.json',
        'scripts/bundle.mjs',
        'scripts/declarations.mjs',
        'node_modules/.package-lock.json',
        ...['lib', 'types', 'examples'].flatMap((folder) => files(folder, /\.(ts|html)$/)),
      ),
    outputs: () => ['dist/lib/index.js', ...copied().map(([, to]) => to)],
    async run() {
      await node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json')
      await node('scripts/bundle.mjs')
      await node('scripts/declarations.mjs')
      for (const [from, to] of copied()) {
        mkdirSync(dirname(to), { recursive: true })
        copyFileSync(from, to)
      }
    },
  },

  vmlinux: {
    needs: ['addon', 'ts'],
    title: `writing ${vmlinux} from the kernel's BTF`,
    inputs() {
      // The modification time of a file in /sys means nothing.
      if (!existsSync(kernelBtf)) return release()
      const btf = readFileSync(kernelBtf)
      return [release(), btf.length, createHash('sha256').update(btf.subarray(0, 65536)).digest('hex')]
    },
    outputs: () => [vmlinux],
    async run() {
      if (!existsSync(kernelBtf)) {
        throw new Failure(
          `${kernelBtf} is missing: this kernel was built without BTF (CONFIG_DEBUG_INFO_BTF), or /sys is not mounted`,
        )
      }
      mkdirSync(dirname(vmlinux), { recursive: true })
      const { Btf } = await import(join(root, 'dist/lib/index.js'))
      writeFileSync(`${vmlinux}.new`, Btf.fromKernel().toC())
      renameSync(`${vmlinux}.new`, vmlinux)
    },
  },

  bpf: bpfStep('bpf', 'compiling the BPF programs of lib/ and examples/activity/'),
  examples: bpfStep('examples', 'compiling the BPF programs of the examples'),
  tests: bpfStep('tests', 'compiling the BPF programs of the tests'),

  // npm installs what the packages need into packages/, so that nothing else has to wait for it.
  'packages-npm': {
    needs: ['npm'],
    title: 'installing the npm packages of packages/',
    inputs: () => packageNames.map((name) => readFileSync(`packages/${name}`, 'utf8')),
    outputs: () => ['packages/node_modules/.package-lock.json'],
    run: () => run('npm', ['ci', '--prefix', 'packages', '--no-audit', '--no-fund']),
  },

  packages: {
    needs: ['addon', 'ts', 'packages-npm'],
    title: 'compiling the packages',
    inputs: () =>
      fingerprint(
        'tsconfig.json',
        'scripts/packages.mjs',
        'scripts/declarations.mjs',
        'packages/node_modules/.package-lock.json',
        'dist/lib/index.d.ts',
        ...packageFolders.flatMap((folder) => files(`packages/${folder}`, /\.ts$/)),
        'packages/agent/config.schema.json',
      ),
    outputs: () => ['packages/otel/dist/index.js', 'packages/agent/dist/main.js'],
    run: () => node('scripts/packages.mjs'),
  },

  receivers: {
    needs: ['tools'],
    title: 'fetching the servers that the tests of the packages need',
    inputs: () => fingerprint('scripts/receivers.mjs'),
    outputs: () => [],
    run: fetchReceivers,
  },
}

const packageNames = ['package.json', 'package-lock.json', 'otel/package.json', 'agent/package.json']
// Not from packages/ downward: node_modules in it has a link to this folder.
const packageFolders = ['otel/lib', 'otel/programs', 'agent/lib', 'agent/collections']

function bpfStep(group, title) {
  return {
    needs: ['clang', 'deps', 'vmlinux'],
    title,
    inputs: () => [
      stamp('clang').value,
      bpfInputs(sources(group)),
      ...fingerprint('scripts/compile-bpf.mjs'),
    ],
    outputs: () => sources(group).map(objectOf),
    run: (previous) => compileBpf(stamp('clang').value, sources(group), previous),
  }
}

// tsc does not copy declarations that were written by hand, nor pages of HTML, and the examples compile their kernel
// side at run time.
const copied = () =>
  [...files('types', /\.d\.ts$/), ...files('lib', /\.html$/), ...files('examples', /\.bpf\.ts$/)].map(
    (file) => [file, join('dist', file)],
  )

const stampFile = (name) => `build/setup/${name}.json`
const stamp = (name) => (existsSync(stampFile(name)) ? readJson(stampFile(name)) : {})
const digest = (step) =>
  createHash('sha256')
    .update(JSON.stringify(step.inputs()) ?? '')
    .digest('hex')

function parse() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      force: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const only = values.only?.split(',') ?? Object.keys(steps)
  const unknown = only.find((name) => !(name in steps))
  if (unknown) throw new Failure(`unknown step ${unknown}; expected ${Object.keys(steps).join(', ')}`)
  return { ...values, only }
}

const isInstaller = (name) => name === 'tools' || name === 'clang'
const forced = (name) => options.force && options.only.includes(name)

const started = new Map()

/** Runs a step, after those that it needs. */
function ensure(name) {
  if (!started.has(name))
    started.set(
      name,
      Promise.all(steps[name].needs.map(ensure)).then(() => execute(name)),
    )
  return started.get(name)
}

async function execute(name) {
  const step = steps[name]
  const { key, value } = stamp(name)
  const isCurrent = () => key === digest(step) && step.outputs().every(existsSync)
  if (!forced(name) && isCurrent()) return
  const began = performance.now()
  if (step.title) say(`setup: ${name}: ${step.title}`)
  const before = digest(step)
  writeFileSync(stampFile(name), JSON.stringify({ value })) // without a key: until it succeeds, the step has to run again
  const result = await step.run(forced(name) ? undefined : value)
  // These change what they read by installing it; other steps must run again if a file changed meanwhile.
  writeFileSync(
    stampFile(name),
    JSON.stringify({ key: isInstaller(name) ? digest(step) : before, value: result }),
  )
  if (step.title) say(`setup: ${name}: done in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

let options
try {
  options = parse()
  settings.verbose = options.verbose
  if (options.help) process.stdout.write(help)
  else {
    process.chdir(root)
    mkdirSync('build/setup', { recursive: true })
    if (!existsSync(stampFile('addon'))) {
      say(
        'setup: the first time takes about a minute on two cores and 300 MB; later runs only do what has changed',
      )
    }
    // Every step that has been started ends before we report the first failure.
    const results = await Promise.allSettled(options.only.map(ensure))
    await Promise.allSettled(started.values())
    const failure = results.find(({ status }) => status === 'rejected')
    if (failure) throw failure.reason
  }
} catch (error) {
  const isOurs = error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS')
  say(`setup: failed\n${isOurs ? error.message : error.stack}`)
  process.exitCode = 1
}
