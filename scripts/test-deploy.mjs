// Lints deploy/, builds the deb and the rpm of the agent, makes a Debian in a folder, and tests what is installed there:
// npm run test:deploy. The Debian stays in build/debian-root for the next time.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { archives } from './debian.mjs'
import { makeDeb, makeRpm } from './distribution.mjs'
import { lintDeploy } from './lint-deploy.mjs'
import { Failure, root, run, say } from './run.mjs'
import { ensurePrograms } from './tools.mjs'

// The first suite with a Node.js that is new enough.
const suite = 'trixie'
const debian = join(root, 'build/debian-root')

async function ensureDebian() {
  if (existsSync(debian)) return
  await ensurePrograms({ debootstrap: 'debootstrap' })
  const begun = `${debian}.new`
  rmSync(begun, { recursive: true, force: true })
  say(`deploy: making a Debian ${suite} with Node.js`)
  for (const archive of archives()) {
    try {
      await run('debootstrap', [
        '--variant=minbase',
        '--include=nodejs,procps,systemd',
        suite,
        begun,
        archive,
      ])
      renameSync(begun, debian)
      return
    } catch (error) {
      say(`deploy: ${archive} has no ${suite}: ${error.message}`)
    }
  }
  throw new Failure(`no archive that apt uses here has Debian ${suite}`)
}

const work = join(root, 'build/packages/work')
const output = join(root, 'build/packages')
try {
  process.chdir(root)
  const faults = await lintDeploy()
  if (faults.length > 0) throw new Failure(faults.join('\n'))
  await ensureDebian()
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const env = {
    ...process.env,
    LIBBPF_NODE_ROOT: debian,
    LIBBPF_NODE_DEB: await makeDeb(work, output),
    LIBBPF_NODE_RPM: await makeRpm(work, output),
  }
  rmSync(work, { recursive: true })
  const config = 'packages/agent/test/installed/vitest.config.ts'
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', config, ...process.argv.slice(2)]
  process.exitCode = spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1
} catch (error) {
  if (!(error instanceof Failure)) throw error
  say(error.message)
  process.exitCode = 1
}
