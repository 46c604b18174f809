#!/usr/bin/env node
// Replaces node-gyp when prebuildify calls it: builds the addon with CMake and zig for the machine that prebuildify
// names in the environment, into build/Release of the current folder.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root, run, say } from './run.mjs'
import { triples } from './targets.mjs'

const { PREBUILD_PLATFORM: platform, PREBUILD_ARCH: arch, PREBUILD_LIBC: libc } = process.env
const env = { ...process.env, TARGET_TRIPLE: triples[`${platform}-${arch}.${libc}`] }
const build = join(process.cwd(), 'build')

const settings = {
  CMAKE_TOOLCHAIN_FILE: join(root, 'scripts/zig-toolchain.cmake'),
  CMAKE_BUILD_TYPE: 'Release',
  CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(build, 'Release'),
  // zig has its own cache, and cannot be run through another program.
  CMAKE_C_COMPILER_LAUNCHER: '',
  CMAKE_CXX_COMPILER_LAUNCHER: '',
}
const definitions = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)
try {
  await run('cmake', ['-S', root, '-B', build, ...definitions], { env })
  await run('cmake', ['--build', build, '--parallel', String(availableParallelism())], { env })
} catch (error) {
  say(error.message)
  process.exitCode = 1
}
