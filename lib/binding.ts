import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Binding } from '../types/binding.js'
import { packageRoot } from './package-root.js'

const require = createRequire(import.meta.url)

function load(): Binding {
  const root = packageRoot()
  try {
    return loadFromOrdinaryPlace(root) ?? require('node-gyp-build')(root)
  } catch (cause) {
    throw new Error(explain(root, cause as NodeJS.ErrnoException), { cause })
  }
}

/** What node-gyp-build takes other than ordinary places from. */
const choices = ['LIBBPF_NODE_PREBUILD', 'PREBUILDS_ONLY', 'LIBC', 'npm_config_arch', 'npm_config_platform']

/** Where the addon nearly always is. node-gyp-build finds it, too, but takes 3 ms, a fifth of the whole import. */
function loadFromOrdinaryPlace(root: string): Binding | undefined {
  if (choices.some((name) => process.env[name]) || existsSync('/etc/alpine-release')) return undefined
  const path = ['build/Release/libbpf_node.node', `prebuilds/linux-${process.arch}/libbpf-node.glibc.node`]
    .map((name) => `${root}/${name}`)
    .find(existsSync)
  if (path === undefined) return undefined
  try {
    const module = { exports: {} }
    process.dlopen(module, path)
    return module.exports as Binding
  } catch {
    // Not for this libc or this Node.js: node-gyp-build may know of another.
    return undefined
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
