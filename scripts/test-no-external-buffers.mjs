// Runs the test suite, or the given test files, in an environment that refuses external buffers, as Electron does.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, root, run, say, settings } from './run.mjs'

try {
  const folder = join(root, 'build/no-external-buffers')
  const shim = join(folder, 'shim.so')
  mkdirSync(folder, { recursive: true })
  const include = '-Inode_modules/node-api-headers/include'
  await run('cc', ['-shared', '-fPIC', include, '-o', shim, 'test/package/no-external-buffers.c', '-ldl'])
  settings.verbose = true
  await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)], {
    env: { ...process.env, LD_PRELOAD: shim },
  })
} catch (error) {
  say(`no-external-buffers: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
