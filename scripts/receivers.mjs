// Fetches what the tests of the agent send metrics to: Debian's Prometheus and VictoriaMetrics, which receives
// OpenTelemetry's protocol. They are unpacked into build/receivers and not installed: the packages would start services.
import { spawnSync } from 'node:child_process'
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { complaint, openSuite } from './debian.mjs'
import { say } from './run.mjs'

const suite = 'trixie'
const packages = ['prometheus', 'victoria-metrics']
const folder = 'build/receivers'

export const receivers = packages.map((name) => join(folder, 'usr/bin', name))

/** Without them, the tests that need them are skipped. */
export function fetchReceivers() {
  const work = `${folder}.new`
  rmSync(work, { recursive: true, force: true })
  const { files, apt, update } = openSuite(join(process.cwd(), work), suite, 'deb')
  const fetched = update.status === 0 ? apt('apt-get', 'download', ...packages) : update
  for (const deb of readdirSync(files).filter((name) => name.endsWith('.deb')))
    spawnSync('dpkg', ['-x', join(files, deb), join(work, 'root')])
  if (fetched.status !== 0) {
    const reason =
      fetched.error?.message ?? complaint(fetched) ?? `apt-get ended with status ${fetched.status}`
    say(`setup: receivers: not fetched, so tests of the agent are skipped: ${reason}`)
  } else {
    rmSync(folder, { recursive: true, force: true })
    renameSync(join(work, 'root'), folder)
  }
  rmSync(work, { recursive: true, force: true })
}
