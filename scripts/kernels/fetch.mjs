// Fetches Debian's kernels, which are unpacked but not installed.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { complaint, openSuite } from '../debian.mjs'
import { Failure, run, say } from '../run.mjs'
import { programs } from '../tools.mjs'
import { prepareArm64 } from './arm64.mjs'
import { cached } from './cache.mjs'

/** The kernels of the matrix, and the suites that may have them; the first suite that has one is used. */
export const kernels = new Map([
  ['5.10', ['bullseye']],
  ['6.1', ['bookworm']],
  ['6.12', ['trixie', 'bookworm-backports']],
  ['newest', ['sid', 'trixie-backports']],
  ['6.12-arm64', ['trixie']],
  ['newest-arm64', ['sid', 'trixie-backports']],
])

/** Debian's name for the machine of a kernel. */
export const machineOf = (name) => (name.endsWith('-arm64') ? 'arm64' : 'amd64')

/** The kernels that run by default: all for this machine. */
export const ownKernels = [...kernels.keys()].filter((name) => machineOf(name) === 'amd64')

/**
 * Fetches a kernel unless it exists. Returns `{ name, machine, release, image, config, modules }` and what its guests
 * use: `{ node, path, busybox, layers, first }`. The layers say which folder of this machine a guest sees where;
 * `first` is a command that runs before all others.
 */
export async function fetchKernel(name) {
  if (process.arch !== 'x64')
    throw new Failure('guests run the programs of this machine, which has to be an x86-64')
  const folder = await ensure(name)
  const machine = machineOf(name)
  return {
    name,
    machine,
    release: readFileSync(join(folder, 'release'), 'utf8'),
    image: join(folder, 'vmlinuz'),
    config: join(folder, 'config'),
    modules: join(folder, 'lib/modules'),
    ...(await insides[machine]()),
  }
}

let arm64
const insides = {
  amd64: () => ({
    node: process.execPath,
    path: process.env.PATH,
    busybox: programs().get('busybox'),
    layers: [['/', '/']],
    first: [],
  }),
  async arm64() {
    // The same for every kernel, with the types of one of them: CO-RE objects need no others.
    arm64 ??= ensure('6.12-arm64').then((folder) => prepareArm64(join(folder, 'vmlinuz')))
    return arm64
  },
}

async function ensure(name) {
  const suites = kernels.get(name)
  if (!suites) throw new Failure(`unknown kernel ${name}; expected ${[...kernels.keys()].join(', ')}`)
  return cached(name, async (work) => {
    const made = join(work, 'kernel')
    for (const suite of suites) {
      say(`kernels: fetching ${name} from Debian ${suite}`)
      const problem = await fromSuite(join(work, suite), suite, machineOf(name), made)
      if (!problem) return made
      say(`  not from ${suite}: ${problem}`)
    }
    throw new Failure(`kernel ${name} could not be found in any suite`)
  })
}

// The package that Debian's metapackage names. Newer kernels have separate packages for the image and the modules.
function packagesOf(apt, machine) {
  const dependencies = (name) =>
    [...apt('apt-cache', 'depends', '--important', name).stdout.matchAll(/^ *\|?Depends: (\S+)$/gm)].map(
      ([, dependency]) => dependency,
    )
  const [image] = dependencies(`linux-image-${machine}`).filter((name) => /^linux-image-\d/.test(name))
  if (!image) return []
  return [image, ...dependencies(image).filter((name) => /^linux-(base|binary|modules)-\d/.test(name))]
}

async function fromSuite(folder, suite, machine, target) {
  const { files, apt, update } = openSuite(folder, suite, 'deb', { machine })
  const packages = packagesOf(apt, machine)
  if (packages.length === 0) return complaint(update) ?? 'not there'
  const got = apt('apt-get', 'download', ...packages)
  if (got.status !== 0) return complaint(got) ?? 'apt-get download failed'

  const tree = join(folder, 'tree')
  for (const deb of readdirSync(files)) await run('dpkg-deb', ['-x', join(files, deb), tree])
  const modules = ['lib/modules', 'usr/lib/modules'].map((path) => join(tree, path)).find(existsSync)
  const [release] = readdirSync(modules)
  mkdirSync(join(target, 'lib'), { recursive: true })
  // Old packages have these files in /boot, new ones beside the modules.
  for (const name of ['vmlinuz', 'config']) {
    const file = [join(tree, 'boot', `${name}-${release}`), join(modules, release, name)].find(existsSync)
    if (!file) return `its packages have no ${name}`
    copyFileSync(file, join(target, name))
  }
  renameSync(modules, join(target, 'lib/modules'))
  await run('depmod', ['-b', target, release])
  writeFileSync(join(target, 'release'), release)
}

/** Returns the files of modules and their dependencies, in the order in which they can be loaded. */
export function moduleFiles({ modules, release }, names) {
  const found = new Set()
  for (const name of names) {
    const { stdout } = spawnSync(
      'modprobe',
      ['--show-depends', '-d', join(modules, '../..'), '-S', release, name],
      { encoding: 'utf8' },
    )
    for (const [, file] of stdout.matchAll(/^insmod (\S+)/gm)) found.add(file)
  }
  return [...found]
}
