// Fetches packages that only some scripts and tests need, and that are too large or too many for devDependencies: a
// cross compiler, other versions of Node.js and TypeScript, and bundlers. scripts/npm-packages.json pins versions and
// SHA-512.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, root, run, say } from './run.mjs'

const pins = JSON.parse(readFileSync(join(root, 'scripts/npm-packages.json'), 'utf8'))
const folder = join(root, 'build/npm')
const integrity = (bytes) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

/** The pinned versions of a package, oldest first. */
export const pinnedVersions = (name) => Object.keys(pins[name] ?? {})

/** The folder of a version of a package, below a node_modules so that it can be imported. */
export const packageFolder = (name, version) => join(folder, `${name}@${version}`, 'node_modules', name)

/**
 * Fetches a package unless it exists, and returns its folder. The default is the newest pinned version. For a version
 * that is not pinned, `expected` is its hash.
 */
export async function npmPackage(
  name,
  version = pinnedVersions(name).at(-1),
  expected = pins[name]?.[version],
) {
  if (!expected) throw new Failure(`${name} ${version} is not in scripts/npm-packages.json`)
  const target = packageFolder(name, version)
  const marker = join(target, '.fetched')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === expected) return target

  say(`fetching ${name} ${version}`)
  const temporary = join(folder, `.${process.pid}`)
  mkdirSync(temporary, { recursive: true })
  try {
    const options = ['--json', '--pack-destination', temporary]
    const [{ filename }] = JSON.parse(
      await run('npm', ['pack', '--loglevel=error', ...options, `${name}@${version}`], { cwd: temporary }),
    )
    const tarball = join(temporary, filename.replace('@', '').replace('/', '-'))
    const found = integrity(readFileSync(tarball))
    if (found !== expected)
      throw new Failure(`${name} ${version}: its hash is ${found}, expected ${expected}`)
    const unpacked = join(temporary, 'unpacked')
    mkdirSync(unpacked)
    execFileSync('tar', ['-x', '-f', tarball, '-C', unpacked, '--strip-components=1', '--no-same-owner'])
    writeFileSync(join(unpacked, '.fetched'), expected)
    rmSync(target, { recursive: true, force: true })
    mkdirSync(join(target, '..'), { recursive: true })
    renameSync(unpacked, target)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return target
}
