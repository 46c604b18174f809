// Debian's archive, whatever suites the system itself uses: apt with lists and caches of its own, which needs no
// root and leaves the system's configuration alone. It looks where the system already gets Debian from.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The addresses of the archives; none on a system without apt. */
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
 * A suite, `type` is deb or deb-src. Returns what runs apt-get or apt-cache on it, in `folder`/files. `trusted` does without
 * signatures: an older release's keyring may lack the keys of a newer suite. `machine` is another than this one, as Debian names it.
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

/** The first thing that apt found wrong. */
export const complaint = (result) => result.stderr.split('\n').find((line) => line.startsWith('E: '))
