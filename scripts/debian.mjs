// Access to any suite of Debian, with separate lists and caches for apt, which needs no root and does not change the
// configuration of the system. It uses the archives that the system already uses.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the addresses of the archives; none on a system without apt. */
export function archives() {
  const targets = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)'])
  if (targets.status !== 0) return []
  const uris = targets.stdout
    .toString()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([uri, suite, component]) => component === 'main' && !/security/.test(uri + suite))
    .map(([uri]) => uri)
  return [...new Set(uris)]
}

/**
 * Opens a suite; `type` is deb or deb-src. Returns a function that runs apt-get or apt-cache on it, in `folder`/files.
 * `trusted` skips signatures, because the keyring of an older release may lack the keys of a newer suite. `machine` is
 * Debian's name of another machine.
 */
export function openSuite(folder, suite, type, { trusted = false, machine } = {}) {
  const files = join(folder, 'files')
  for (const name of ['lists/partial', 'cache/archives/partial', 'files']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  const options = `[check-valid-until=no${trusted ? ' trusted=yes' : ''}]`
  const lines = archives().map((uri) => `${type} ${options} ${uri} ${suite} main\n`)
  writeFileSync(join(folder, 'sources.list'), lines.join(''))
  const settings = [
    `Dir::Etc::SourceList=${folder}/sources.list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${folder}/lists`,
    `Dir::Cache=${folder}/cache`,
    'APT::Sandbox::User=root',
    'Acquire::Retries=3',
    ...(machine ? [`APT::Architecture=${machine}`, `APT::Architectures=${machine}`] : []),
  ].flatMap((option) => ['-o', option])
  const apt = (tool, ...args) =>
    spawnSync(tool, [...settings, ...args], { cwd: files, encoding: 'utf8', maxBuffer: 1 << 26 })
  return { files, apt, update: apt('apt-get', 'update') }
}

/** Returns the first error that apt printed. */
export const complaint = (result) => result.stderr.split('\n').find((line) => line.startsWith('E: '))
