// Fetches the sources of libbpf, libelf and zlib into deps/, in the versions of deps/versions.json. A tarball is
// accepted from any source if its SHA-256 is right. The sources, in this order: a folder of tarballs, for machines
// without a network; the upstream release; Debian's source packages, which contain the upstream tarballs.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { complaint, openSuite } from './debian.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const work = join(root, 'build/fetch-deps')
const say = (line) => process.stderr.write(`${line}\n`)

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
const markerOf = (name) => join(root, 'deps', name, '.fetched')
const isUnpacked = ({ name, version }) =>
  existsSync(markerOf(name)) && readFileSync(markerOf(name), 'utf8') === version

// Finds the file with the right hash; its name does not matter.
function pick(folder, dep) {
  const tarballs = readdirSync(folder).filter((file) => /\.t(ar\.)?(gz|bz2|xz)$/.test(file))
  return tarballs
    .map((file) => join(folder, file))
    .find((file) => dep.sha256.includes(sha256(readFileSync(file))))
}

async function fromFolder(deps) {
  const folder = process.env.LIBBPF_NODE_DEPS
  if (!folder) return []
  if (!existsSync(folder)) throw new Error(`LIBBPF_NODE_DEPS=${folder}: the folder does not exist`)
  return deps.map((dep) => ({ dep, file: pick(folder, dep), from: folder }))
}

async function fromUpstream(deps) {
  return Promise.all(
    deps.map(async (dep) => {
      const file = join(work, dep.url.split('/').at(-1))
      const from = new URL(dep.url).host
      try {
        // fetch gives up connecting after 10 seconds; this limits the whole download.
        const response = await fetch(dep.url, { signal: AbortSignal.timeout(120_000) })
        if (!response.ok) throw new Error(`HTTP status ${response.status}`)
        const bytes = Buffer.from(await response.arrayBuffer())
        if (!dep.sha256.includes(sha256(bytes)))
          throw new Error(`its SHA-256 is ${sha256(bytes)}, expected ${dep.sha256}`)
        writeFileSync(file, bytes)
        return { dep, file, from }
      } catch (error) {
        say(`  ${dep.name} ${dep.version}: not from ${from}: ${error.cause?.message ?? error.message}`)
        return { dep }
      }
    }),
  )
}

// The suites that have had these versions, the most stable one first.
const suites = ['trixie', 'sid', 'forky', 'trixie-backports']

async function fromDebian(deps) {
  const found = []
  for (const suite of suites) {
    const missing = deps.filter((dep) => !found.some((item) => item.dep === dep))
    if (missing.length > 0) found.push(...fromSuite(suite, missing))
  }
  return found
}

function fromSuite(suite, deps) {
  // Signatures are not needed, because the hash is checked.
  const { files, apt, update } = openSuite(join(work, suite), suite, 'deb-src', { trusted: true })
  return deps.flatMap((dep) => {
    const { source, version } = dep.debian
    const versions = apt('apt-cache', 'showsrc', source).stdout.matchAll(/^Version: (.+)$/gm)
    const match = [...versions]
      .map(([, text]) => text)
      .find((text) => text.replace(/-[^-]*$/, '') === version)
    const got = match && apt('apt-get', 'source', '--download-only', '--tar-only', `${source}=${match}`)
    const file = pick(files, dep)
    if (file) return { dep, file, from: `Debian ${suite}` }
    const reason = complaint(got ?? update) ?? 'it is not there'
    say(`  ${dep.name} ${dep.version}: not from Debian ${suite}: ${reason}`)
    return []
  })
}

function unpack({ dep, file, from }) {
  const target = join(root, 'deps', dep.name)
  const temporary = `${target}.new`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary)
  // -m sets the time of files to now, so that a change of the version recompiles everything.
  execFileSync('tar', ['-x', '-m', '-f', file, '-C', temporary, '--strip-components=1', '--no-same-owner'])
  if (dep.name === 'libbpf') symlinkSync('src', join(temporary, 'bpf')) // for #include <bpf/...>
  writeFileSync(join(temporary, '.fetched'), dep.version)
  rmSync(target, { recursive: true, force: true })
  renameSync(temporary, target)
  say(`  ${dep.name} ${dep.version}: from ${from}`)
}

// Unpacks what it can get, and returns the rest.
async function obtain(deps) {
  let missing = deps.filter((dep) => !isUnpacked(dep))
  for (const source of [fromFolder, fromUpstream, fromDebian]) {
    if (missing.length === 0) break
    const found = (await source(missing)).filter((item) => item.file)
    found.forEach(unpack)
    missing = missing.filter((dep) => !found.some((item) => item.dep === dep))
  }
  return missing
}

const pinned = JSON.parse(readFileSync(join(root, 'deps/versions.json'), 'utf8'))
const deps = Object.entries(pinned).map(([name, dep]) => ({ name, ...dep }))
mkdirSync(work, { recursive: true })
try {
  const missing = await obtain(deps)
  const replaceable = missing.filter((dep) => dep.fallback)
  const stillMissing = await obtain(replaceable.map(({ name, fallback }) => ({ name, ...fallback })))
  const lost = missing.filter((dep) => !dep.fallback || stillMissing.some(({ name }) => name === dep.name))
  if (lost.length > 0) {
    say(`Could not fetch ${lost.map((dep) => `${dep.name} ${dep.version}`).join(', ')}.`)
    say(
      'Put these tarballs into a folder, with any names, and run this again with LIBBPF_NODE_DEPS=/that/folder:',
    )
    for (const dep of lost) say(`  ${dep.url}\n    SHA-256 ${dep.sha256.join(' or ')}`)
    process.exitCode = 1
  } else {
    for (const { name, version, fallback } of replaceable) {
      say(
        `WARNING: ${name} ${version} could not be found: building with ${fallback.version}, which has fewer features.`,
      )
      say(`WARNING: To use it, put its tarball into a folder and set LIBBPF_NODE_DEPS to the folder.`)
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
