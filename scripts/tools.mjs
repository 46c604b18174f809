// Finds the compilers and other programs that the build needs, and installs missing ones with apt, as root or through
// sudo. On systems without apt, it says which command installs them.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, run, say } from './run.mjs'

// Programs and their Debian packages. gzip and bzip2 unpack the sources, nm checks the addon.
const needed = {
  cc: 'gcc',
  'c++': 'g++',
  make: 'make',
  cmake: 'cmake',
  nm: 'binutils',
  tar: 'tar',
  gzip: 'gzip',
  bzip2: 'bzip2',
  // For the tests, which create network interfaces and start processes with fewer privileges.
  ip: 'iproute2',
  setpriv: 'util-linux',
  ping: 'iputils-ping',
  arping: 'iputils-arping',
  dig: 'bind9-dnsutils',
  tcpdump: 'tcpdump',
}

// The clang of Debian 12 is version 14, the oldest that works; a newer one is preferred if there is one.
const alternatives = {
  clang: ['clang-16', 'clang-17', 'clang-18', 'clang-19', 'clang'],
  'clang-format': ['clang-format-16', 'clang-format'],
}

const otherSystems = [
  [
    'dnf',
    'dnf install',
    {
      'g++': 'gcc-c++',
      'clang-format': 'clang-tools-extra',
      'iputils-ping': 'iputils',
      'iputils-arping': 'iputils',
      'bind9-dnsutils': 'bind-utils',
    },
  ],
  ['pacman', 'pacman -S', { 'g++': 'gcc', 'clang-format': 'clang', 'bind9-dnsutils': 'bind' }],
  [
    'apk',
    'apk add',
    { gcc: 'build-base', 'g++': 'build-base linux-headers', 'clang-format': 'clang-extra-tools' },
  ],
  ['zypper', 'zypper install', { 'g++': 'gcc-c++', 'clang-format': 'clang' }],
]

const query = (program, ...args) => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? ''

/** Returns a map of all programs on the PATH, from name to path. */
export function programs() {
  const found = new Map()
  for (const folder of (process.env.PATH ?? '').split(':')) {
    let names = []
    try {
      names = readdirSync(folder)
    } catch {
      // The PATH may contain folders that do not exist.
    }
    for (const name of names) if (!found.has(name)) found.set(name, join(folder, name))
  }
  return found
}

/** Values that change when a program that the build needs is installed, removed or replaced. */
export const toolsFingerprint = () => fingerprintOf((name) => name in needed)
export const clangFingerprint = () => fingerprintOf((name) => isClang.test(name))

function fingerprintOf(isWanted) {
  return [...programs()]
    .filter(([name]) => isWanted(name))
    .map(([, path]) => [path, statSync(path, { throwIfNoEntry: false })?.mtimeMs])
}

const isClang = /^clang(-\d+)?$/

function newestClang() {
  let newest
  for (const [name, path] of programs()) {
    if (!isClang.test(name)) continue
    const version = Number(query(path, '--version').match(/clang version (\d+)/)?.[1])
    const suitable = version >= 14 && /^\s*bpf /m.test(query(path, '--print-targets'))
    if (suitable && !(newest?.version >= version)) newest = { path, version }
  }
  return newest?.path
}

/** Makes sure that everything is installed that the addon and the tests need. */
export async function ensureTools() {
  await ensurePrograms(needed)
  const [, major, minor] = query('cmake', '--version').match(/version (\d+)\.(\d+)/) ?? []
  if (!(major * 100 + Number(minor) >= 315)) {
    throw new Failure(`cmake ${major}.${minor} is too old: version 3.15 or newer is required`)
  }
}

/** Makes sure that clang is installed. Returns the one that compiles BPF programs. */
export async function ensureClang() {
  if (!newestClang()) await install(['clang'])
  const clang = newestClang()
  if (!clang)
    throw new Failure('clang is missing: install version 14 or newer, with support for the bpf target')
  return clang
}

/** Returns the clang-format for the sources: version 16 if it is installed, because versions format differently. */
export async function ensureClangFormat() {
  const find = () => alternatives['clang-format'].map((name) => programs().get(name)).find(Boolean)
  if (!find()) await install(['clang-format'])
  return find()
}

/** Makes sure that programs, or files with a path, exist. `packages` maps their names to Debian packages. */
export async function ensurePrograms(packages) {
  const present = programs()
  const isThere = (name) => (name.includes('/') ? existsSync(name) : present.has(name))
  const missing = Object.keys(packages).filter((name) => !isThere(name))
  await install(missing.map((name) => packages[name]))
}

/** Installs packages by their Debian names. */
async function install(packages) {
  if (packages.length === 0) return
  const present = programs()
  if (!present.has('apt-get')) throw new Failure(advice(packages, present))
  const isRoot = process.getuid() === 0
  if (!isRoot && !present.has('sudo')) {
    throw new Failure(
      `some packages are missing; install them as root with: apt-get install ${packages.join(' ')}`,
    )
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
  // A broken third-party repository must not stop us.
  await apt('update').catch((error) => say(error.message))
  const names = packages.map((name) => alternatives[name]?.find(isAvailable) ?? name)
  await apt('install', '--no-install-recommends', ...names)
}

const isAvailable = (name) => query('apt-cache', 'show', name) !== ''

function advice(packages, present) {
  const [, command, names] = otherSystems.find(([program]) => present.has(program)) ?? []
  if (!command) return `some tools are missing; install them, then run this again: ${packages.join(', ')}`
  const own = new Set(packages.map((name) => names[name] ?? name))
  return `some tools are missing; install them, then run this again:\n  sudo ${command} ${[...own].join(' ')}`
}
