// Runs the tests of bundlers, including esbuild and webpack, which it fetches.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run, say, settings } from './run.mjs'

/** Installs webpack, whose sixty packages are pinned in test/package/webpack/package-lock.json. */
async function fetchWebpack() {
  const folder = join(root, 'build/npm/webpack')
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) {
    copyFileSync(join(root, 'test/package/webpack', name), join(folder, name))
  }
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
  return join(folder, 'node_modules/webpack')
}

try {
  const webpack = await fetchWebpack()
  const esbuild = join(await npmPackage(`@esbuild/${process.platform}-${process.arch}`), 'bin/esbuild')
  settings.verbose = true
  await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/package/bundlers.test.ts'], {
    env: { ...process.env, LIBBPF_NODE_ESBUILD: esbuild, LIBBPF_NODE_WEBPACK: webpack },
  })
} catch (error) {
  say(`bundlers: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
