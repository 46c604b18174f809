// Tests the package on the versions of Node.js that scripts/npm-packages.json pins, and on Bun and Deno. On each of
// them it is imported and required, and receives events, with the prebuilt addon if there is one. The oldest and the
// newest version of Node.js run the whole test suite, the others the test of `libbpf-node init`. Bun and Deno run
// what they can.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { muslBun } from './musl-bun.mjs'
import { npmPackage, pinnedVersions } from './npm-package.mjs'
import { Failure, root, run, say } from './run.mjs'
import { prebuildOf } from './targets.mjs'

const help = `Usage: npm run test:runtimes -- [--node VERSION]... [--no-suite] [TEST FILE]...

  --node      only this version (26, 22.23.3), with the whole suite or the given test files; can be repeated
  --no-suite  only import the package and receive events
  --other     only bun or deno, or musl: Bun on musl, with the prebuilt addon for musl; can be repeated
`

// The tests that both can run: those that do not start a process or Worker with flags of Node.js or check how one ends.
// Other differences are described in docs/shipping.md.
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
  // Runs the prebuilt addon for musl.
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
    throw new Failure(
      `${name} ${wanted} is not in scripts/npm-packages.json, which contains ${all.join(', ')}`,
    )
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
  if (all.length === 0) throw new Failure(`scripts/npm-packages.json does not contain ${name}`)
  const unknown = values.other?.find((runtime) => !(runtime in others))
  if (unknown) throw new Failure(`unknown runtime ${unknown}; expected ${Object.keys(others).join(', ')}`)
  const chosen = values.node?.map(versionOf)
  const prebuilt = existsSync(prebuildOf(`${process.platform}-${process.arch}.glibc`))
  for (const version of chosen ?? (values.other ? [] : all)) {
    const node = join(await npmPackage(name, version), 'bin/node')
    const env = {
      ...process.env,
      PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
      // Copies of the package use them, too.
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
