// Runs the tests of bundlers with esbuild, too, which it fetches.
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, run, say, settings } from './run.mjs'

try {
  const esbuild = join(await npmPackage(`@esbuild/${process.platform}-${process.arch}`), 'bin/esbuild')
  settings.verbose = true
  await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/package/bundlers.test.ts'], {
    env: { ...process.env, LIBBPF_NODE_ESBUILD: esbuild },
  })
} catch (error) {
  say(`bundlers: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
