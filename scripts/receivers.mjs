// Fetches the other programs that the tests of the packages need: Debian's Prometheus and VictoriaMetrics, which receives
// OpenTelemetry's protocol, containerd with runc, and kustomize. They are unpacked into build/receivers and not installed: the
// packages would start services.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { complaint, openSuite } from './debian.mjs'
import { say } from './run.mjs'

// containerd and runc are those of the suite whose C library the machines for tests have.
const suites = {
  trixie: ['prometheus', 'victoria-metrics', 'kustomize'],
  bookworm: ['containerd', 'runc'],
}
const folder = 'build/receivers'

/** Builds manifests of Kubernetes. */
export const kustomize = `${folder}/usr/bin/kustomize`

/** Without them, the tests that need them are skipped. */
export function fetchReceivers() {
  const work = `${folder}.new`
  rmSync(work, { recursive: true, force: true })
  const complaints = Object.entries(suites).flatMap(
    ([suite, packages]) => fetchFrom(suite, packages, work) ?? [],
  )
  if (complaints.length > 0)
    say(`setup: receivers: not all fetched, so tests of the packages are skipped: ${complaints.join('; ')}`)
  // What was fetched before is better than a part of it.
  const fetched = join(work, 'root')
  if (existsSync(fetched) && (complaints.length === 0 || !existsSync(folder))) {
    rmSync(folder, { recursive: true, force: true })
    renameSync(fetched, folder)
  }
  rmSync(work, { recursive: true, force: true })
}

function fetchFrom(suite, packages, work) {
  const { files, apt, update } = openSuite(join(process.cwd(), work, suite), suite, 'deb')
  const fetched = update.status === 0 ? apt('apt-get', 'download', ...packages) : update
  for (const deb of readdirSync(files).filter((name) => name.endsWith('.deb')))
    spawnSync('dpkg', ['-x', join(files, deb), join(work, 'root')])
  if (fetched.status === 0) return undefined
  return fetched.error?.message ?? complaint(fetched) ?? `apt-get ended with status ${fetched.status}`
}
