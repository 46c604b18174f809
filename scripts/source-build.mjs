// Builds the addon in an installed package, where there is no prebuilt one for the machine: into build/Release, which comes before
// prebuilds/. It needs a C and C++ compiler, cmake and make, and fetches sources and headers by their hashes. With
// LIBBPF_NODE_SYSTEM_LIBBPF=1 the system's libbpf (1.5 or newer, found by pkg-config) is linked instead of one built here.

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'
import { Failure, root, run, say } from './run.mjs'
import { programs } from './tools.mjs'

const system = (process.env.LIBBPF_NODE_SYSTEM_LIBBPF ?? '') !== ''

function checkTools() {
  const needed = [
    'cc',
    'c++',
    'cmake',
    'make',
    'tar',
    'gzip',
    'bzip2',
    ...(system ? ['pkg-config'] : ['readelf']),
  ]
  const present = programs()
  const missing = needed.filter((name) => !present.has(name))
  if (missing.length === 0) return
  throw new Failure(
    `to build the addon these programs are needed: ${missing.join(', ')}. On Debian and Ubuntu: apt-get install ` +
      'g++ make cmake pkg-config binutils bzip2; on Alpine: apk add build-base linux-headers cmake pkgconf',
  )
}

try {
  process.chdir(root)
  checkTools()
  say(`build: with ${system ? "the system's libbpf" : 'libbpf, libelf and zlib from source'}`)
  // With the system's libbpf only the kernel's headers are taken of them.
  await run(process.execPath, ['scripts/fetch-deps.mjs'])
  const headers = [join(await npmPackage('node-api-headers'), 'include'), await npmPackage('node-addon-api')]
  const build = 'build/source-build'
  const definitions = [
    `-DCMAKE_JS_INC=${headers.join(';')}`,
    `-DLIBBPF_NODE_SYSTEM_LIBBPF=${system ? 'ON' : 'OFF'}`,
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(root, 'build/Release')}`,
  ]
  await run('cmake', ['-S', '.', '-B', build, ...definitions])
  await run('cmake', ['--build', build, '--parallel', String(availableParallelism())])
  say('build: made build/Release/libbpf_node.node')
} catch (error) {
  say(`build: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
