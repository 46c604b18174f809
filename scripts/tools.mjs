// Finds the compilers and other programs that the build needs, and installs those that are missing: with apt,
// as root or through sudo. For other systems it says which command does it.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, run, say } from './run.mjs'

// Program: Debian's package. gzip and bzip2 unpack the sources, nm checks the addon.
const needed = {
  cc: 'gcc',
  'c++': 'g++',
  make: 'make',
  cmake: 'cmake',
  nm: 'binutils',
  tar: 'tar',
  gzip: 'gzip',
  bzip2: 'bzip2',
  // For the tests: networks of their own, and processes with fewer rights.
  ip: 'iproute2',
  setpriv: 'util-linux',
}

// Debian 12's clang is 14, the oldest that we take; the version after the dash is better where there is one.
const alternatives = {
  clang: ['clang-16', 'clang-17', 'clang-18', 'clang-19', 'clang'],
  'clang-format': ['clang-format-16', 'clang-format'],
}

const otherSystems = [
  ['dnf', 'dnf install', { 'g++': 'gcc-c++', 'clang-format': 'clang-tools-extra' }],
  ['pacman', 'pacman -S', { 'g++': 'gcc', 'clang-format': 'clang' }],
  [
    'apk',
    'apk add',
    { gcc: 'build-base', 'g++': 'build-base linux-headers', 'clang-format': 'clang-extra-tools' },
  ],
  ['zypper', 'zypper install', { 'g++': 'gcc-c++', 'clang-format': 'clang' }],
]

const query = (program, ...args) => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? ''

/** All programs on the PATH: name to path. */
export function programs() {
  const found = new Map()
  for (const folder of (process.env.PATH ?? '').split(':')) {
    let names = []
    try {
      names = readdirSync(folder)
    } catch {
      // A PATH may name folders that don't exist.
    }
    for (const name of names) if (!found.has(name)) found.set(name, join(folder, name))
  }
  return found
}

/** Changes when one of the programs that the build needs comes, goes or is replaced. */
export function fingerprint() {
  return [...programs()]
    .filter(([name]) => name in needed || /^clang(-\d+)?$/.test(name))
    .map(([, path]) => [path, statSync(path, { throwIfNoEntry: false })?.mtimeMs])
}

function newestClang() {
  let newest
  for (const [name, path] of programs()) {
    if (!/^clang(-\d+)?$/.test(name)) continue
    const version = Number(query(path, '--version').match(/clang version (\d+)/)?.[1])
    const suitable = version >= 14 && /^\s*bpf /m.test(query(path, '--print-targets'))
    if (suitable && !(newest?.version >= version)) newest = { path, version }
  }
  return newest?.path
}

/** Makes sure that all tools are there; returns the clang to compile BPF programs with. */
export async function ensureTools() {
  await ensurePrograms(needed)
  if (!newestClang()) await install(['clang'])
  const [, major, minor] = query('cmake', '--version').match(/version (\d+)\.(\d+)/) ?? []
  if (!(major * 100 + Number(minor) >= 315)) {
    throw new Failure(`cmake is too old (${major}.${minor}): 3.15 or newer is needed`)
  }
  const clang = newestClang()
  if (!clang) throw new Failure('no clang of version 14 or newer that knows the target bpf: install one')
  return clang
}

/** The clang-format that the sources are formatted with; versions differ, so 16 if there is one. */
export async function ensureClangFormat() {
  const find = () => alternatives['clang-format'].map((name) => programs().get(name)).find(Boolean)
  if (!find()) await install(['clang-format'])
  return find()
}

/** Makes sure that programs are there, or other files by their path: name to Debian's package. */
export async function ensurePrograms(packages) {
  const present = programs()
  const isThere = (name) => (name.includes('/') ? existsSync(name) : present.has(name))
  const missing = Object.keys(packages).filter((name) => !isThere(name))
  await install(missing.map((name) => packages[name]))
}

/** Packages are named as in Debian. */
async function install(packages) {
  if (packages.length === 0) return
  const present = programs()
  if (!present.has('apt-get')) throw new Failure(advice(packages, present))
  const isRoot = process.getuid() === 0
  if (!isRoot && !present.has('sudo')) {
    throw new Failure(`these packages are missing; as root: apt-get install ${packages.join(' ')}`)
  }
  say(`setup: tools: installing ${packages.join(', ')} with apt${isRoot ? '' : ' (sudo)'}`)
  // sudo drops them.
  const proxies = Object.entries(process.env)
    .filter(([name]) => /_proxy$/i.test(name))
    .map(([name, value]) => `${name}=${value}`)
  const apt = (...args) => {
    const command = ['env', 'DEBIAN_FRONTEND=noninteractive', ...proxies, 'apt-get', '-q', '-y', ...args]
    return isRoot ? run(command[0], command.slice(1)) : run('sudo', command)
  }
  // A third party's broken repository must not stop us.
  await apt('update').catch((error) => say(error.message))
  const names = packages.map((name) => alternatives[name]?.find(isAvailable) ?? name)
  await apt('install', '--no-install-recommends', ...names)
}

const isAvailable = (name) => query('apt-cache', 'show', name) !== ''

function advice(packages, present) {
  const [, command, names] = otherSystems.find(([program]) => present.has(program)) ?? []
  if (!command) return `these are missing, install them: ${packages.join(', ')}`
  const own = new Set(packages.map((name) => names[name] ?? name))
  return `some tools are missing; install them, then run this again:\n  sudo ${command} ${[...own].join(' ')}`
}
