// Runs the addon on the versions of Node.js that scripts/npm-packages.json pins, and on Bun and Deno. On each: the package is imported, required,
// and brings events, with the prebuilt addon where there is one. On the oldest and the newest Node.js, the whole test suite; on Bun and Deno, what
// they can run of it.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { muslBun } from './musl-bun.mjs'
import { npmPackage, pinnedVersions } from './npm-package.mjs'
import { Failure, root, run, say } from './run.mjs'
import { prebuildOf } from './targets.mjs'

const help = `Usage: npm run test:runtimes -- [--node VERSION]... [--no-suite] [TEST FILE]...

  --node      these versions (26, 22.23.3) and the suite, or the test files, on each; by default events on all and the suite
              on the oldest and the newest
  --no-suite  events only
  --other     bun or deno instead, by default both, too; or musl: Bun on musl, with the prebuilt addon for that
`

// The tests that both can run: those that start no process or Worker with Node.js's own flags, and expect nothing of how one ends. What else does
// not hold there is in docs/shipping.md.
const suiteForOthers = Object.entries({
  attach: ['iter'],
  docs: ['typed-data'],
  events: [
    'budget',
    'consume',
    'held',
    'lost',
    'pause',
    'perf-buffer',
    'perf-overwritable',
    'portable',
    'ring-buffer',
    'several-rings',
    'sizes',
  ],
  maps: ['map', 'cidr', 'members', 'setters', 'types', 'mapped-array', 'per-cpu'],
  objects: ['globals', 'globals-live', 'object', 'object-load', 'object-options', 'pin'],
  programs: ['program', 'test-run'],
}).flatMap(([folder, names]) => names.map((name) => `test/${folder}/${name}.test.ts`))
const others = {
  bun: {
    start: () => fromPackage('@oven/bun-linux-x64', 'bin/bun'),
    args: [],
    vitest: ['--bun'],
  },
  deno: {
    start: () => fromPackage('@deno/linux-x64-glibc', 'deno'),
    args: ['run', '--allow-all'],
    vitest: [],
  },
  // What a prebuilt addon for musl has to run in.
  musl: {
    where: ' on musl, with the prebuilt addon',
    async start() {
      await run('scripts/prebuild', ['--target', 'linux-x64.musl'])
      const { program, env } = await muslBun()
      return { program, env: { ...env, LIBC: 'musl', PREBUILDS_ONLY: '1' } }
    },
    args: [],
    vitest: ['--bun'],
  },
}

async function fromPackage(name, command) {
  const program = join(await npmPackage(name), command)
  chmodSync(program, 0o755)
  return { program, env: {} }
}

async function testOther(runtime, { where = '', start, args, vitest }, files) {
  const { program, env: own } = await start()
  const env = { ...process.env, ...own }
  const smoke = [...args, 'scripts/runtime-smoke.mjs']
  say(`runtimes: ${(await run(program, smoke, { env })).trim()}${where}`)
  if (!files) return
  const suite = [...args, ...vitest, 'node_modules/vitest/vitest.mjs', 'run', ...files]
  const { status } = spawnSync(program, suite, { stdio: 'inherit', env })
  if (status !== 0) throw new Failure(`tests failed on ${runtime}`)
}

const name = `node-${process.platform}-${process.arch}`
const all = pinnedVersions(name)

function versionOf(wanted) {
  const found = all.find((version) => version === wanted || version.startsWith(`${wanted}.`))
  if (!found)
    throw new Failure(`${name} ${wanted} is not in scripts/npm-packages.json, which has ${all.join(', ')}`)
  return found
}

try {
  process.chdir(root)
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      node: { type: 'string', multiple: true },
      other: { type: 'string', multiple: true },
      suite: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    process.exit()
  }
  if (all.length === 0) throw new Failure(`scripts/npm-packages.json has no ${name}`)
  const unknown = values.other?.find((runtime) => !(runtime in others))
  if (unknown) throw new Failure(`${unknown} is none of ${Object.keys(others).join(', ')}`)
  const chosen = values.node?.map(versionOf)
  const prebuilt = existsSync(prebuildOf(`${process.platform}-${process.arch}.glibc`))
  for (const version of chosen ?? (values.other ? [] : all)) {
    const node = join(await npmPackage(name, version), 'bin/node')
    const env = {
      ...process.env,
      PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
      // For copies of the package, too.
      ...(prebuilt && { LIBBPF_NODE_PREBUILD: root, PREBUILDS_ONLY: '1' }),
    }
    const addon = prebuilt ? 'the prebuilt addon' : 'the addon that was built here (no prebuilds/)'
    const output = await run(node, ['scripts/runtime-smoke.mjs'], { env })
    say(`runtimes: ${output.trim()}, with ${addon}`)
    if (!values.suite) continue
    const isWhole = (chosen ?? [all[0], all.at(-1)]).includes(version)
    const tests = isWhole ? positionals : ['test/package/init.test.ts']
    const what = tests.length > 0 ? tests.join(' ') : 'the test suite'
    say(`runtimes: ${version}: ${what}`)
    const began = performance.now()
    const { status } = spawnSync(node, ['node_modules/vitest/vitest.mjs', 'run', ...tests], {
      env,
      stdio: 'inherit',
    })
    if (status !== 0) throw new Failure(`tests failed on Node.js ${version}`)
    say(`runtimes: ${version}: passed in ${Math.round((performance.now() - began) / 1000)} s`)
  }
  if (process.arch === 'x64' && !chosen) {
    for (const [runtime, how] of Object.entries(others)) {
      if (!(values.other ?? ['bun', 'deno']).includes(runtime)) continue
      const files = positionals.length > 0 ? positionals : suiteForOthers
      await testOther(runtime, how, values.suite ? files : undefined)
    }
  }
} catch (error) {
  const isOurs = error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS')
  say(`runtimes: failed\n${isOurs ? error.message : error.stack}`)
  process.exitCode = 1
}
