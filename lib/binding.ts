import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Binding } from '../types/binding.js'
import { packageRoot } from './package-root.js'

const require = createRequire(import.meta.url)

function load(): Binding {
  const root = packageRoot()
  try {
    return require('node-gyp-build')(root)
  } catch (cause) {
    throw new Error(explain(root, cause as NodeJS.ErrnoException), { cause })
  }
}

/** What the machine is, what was looked for, what went wrong, what helps. */
function explain(root: string, cause: NodeJS.ErrnoException): string {
  const { platform, arch, versions } = process
  const header = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
  const libc = header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl'
  const failed = `libbpf-node cannot load its native addon for ${platform}-${arch}, ${libc}, Node.js ${versions.node}`
  if (platform !== 'linux') return `${failed}: BPF is a part of Linux, and this is not Linux`
  if (cause.code === 'MODULE_NOT_FOUND' && cause.message.includes('node-gyp-build')) {
    return `${failed}: its dependency node-gyp-build is not installed; run 'npm install', and with a bundler keep libbpf-node external`
  }
  const build = `'npm run build' in ${root} builds one, with a C++ compiler and cmake`
  if (cause.code === 'ERR_DLOPEN_FAILED') {
    // musl is recognised by a file of Alpine's; elsewhere it has to be named.
    const other =
      libc === 'musl' && !existsSync('/etc/alpine-release') ? '; set LIBC=musl in the environment' : ''
    return `${failed}: ${cause.message}${other}; ${build}`
  }
  return `${failed}: there is none in ${root}/prebuilds/${platform}-${arch} or ${root}/build/Release; ${build}`
}

/** The native functions, see types/binding.d.ts. Only `lib/` uses them. */
export const native: Binding = load()
