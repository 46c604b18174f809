// Builds the addon in an installed package, for machines without a prebuilt one, into build/Release, which takes
// precedence over prebuilds/. It needs a C and C++ compiler, cmake and make, and fetches sources and headers by their
// hashes. With LIBBPF_NODE_SYSTEM_LIBBPF=1, it links the system's libbpf (1.5 or newer, found with pkg-config)
// instead of building one.

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
    `these programs are needed to build the addon: ${missing.join(', ')}. On Debian and Ubuntu: apt-get install ` +
      'g++ make cmake pkg-config binutils bzip2; on Alpine: apk add build-base linux-headers cmake pkgconf',
  )
}

try {
  process.chdir(root)
  checkTools()
  say(`build: building with ${system ? "the system's libbpf" : 'libbpf, libelf and zlib from source'}`)
  // With the system's libbpf, only the kernel headers among them are used.
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
  say('build: wrote build/Release/libbpf_node.node')
} catch (error) {
  say(`build: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
