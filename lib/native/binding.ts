import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Binding } from '../../types/binding.js'
import { packageRoot } from './package-root.js'

const require = createRequire(import.meta.url)

function load(): Binding {
  const root = packageRoot()
  try {
    return loadFromOrdinaryPlace(root) ?? loadFromElsewhere(root)
  } catch (cause) {
    throw new Error(explain(root, cause as NodeJS.ErrnoException), { cause })
  }
}

/** What node-gyp-build takes other than ordinary places from. */
const choices = ['LIBBPF_NODE_PREBUILD', 'PREBUILDS_ONLY', 'LIBC', 'npm_config_arch', 'npm_config_platform']

/** Where the addon nearly always is. node-gyp-build finds it, too, but takes 3 ms, a fifth of the whole import. */
function loadFromOrdinaryPlace(root: string): Binding | undefined {
  if (choices.some((name) => process.env[name]) || existsSync('/etc/alpine-release')) return undefined
  const built = 'build/Release/libbpf_node.node'
  const prebuilt = ['glibc', 'musl'].map((libc) => `prebuilds/linux-${process.arch}/libbpf-node.${libc}.node`)
  // glibc's needs a library that no other system has: on musl it fails to load, and the next does.
  for (const name of existsSync(`${root}/${built}`) ? [built] : prebuilt) {
    const path = `${root}/${name}`
    if (!existsSync(path) || whyDamaged(path) !== undefined) continue
    try {
      const module = { exports: {} }
      process.dlopen(module, path)
      return module.exports as Binding
    } catch {
      // Not for this libc or this Node.js.
    }
  }
  return undefined
}

function loadFromElsewhere(root: string): Binding {
  const path: string = require('node-gyp-build').resolve(root)
  const why = whyDamaged(path)
  if (why !== undefined) throw Object.assign(new Error(`${path} ${why}`), { code: 'ERR_DLOPEN_FAILED' })
  return require(path)
}

/** EM_X86_64 and EM_AARCH64 of elf.h. */
const machines: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' }

/** What dlopen(3) would crash at, a file that was cut off, or calls a file that is not there, one for another machine. */
function whyDamaged(path: string): string | undefined {
  const fd = openSync(path, 'r')
  try {
    const header = Buffer.alloc(64)
    const length = readSync(fd, header, 0, 64, 0)
    if (length < 64 || header.readUInt32BE(0) !== 0x7f454c46) return 'is damaged: it is no ELF file'
    const arch = machines[header.readUInt16LE(18)] ?? 'another machine'
    if (Object.values(machines).includes(process.arch) && arch !== process.arch)
      return `is for ${arch}, this is ${process.arch}`
    // The table of sections is at the end.
    const size = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60)
    const { size: found } = fstatSync(fd)
    return found < size ? `is damaged: it has ${found} bytes of at least ${size}` : undefined
  } finally {
    closeSync(fd)
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
  if (cause.code === 'ERR_DLOPEN_FAILED') return `${failed}: ${cause.message}; ${build}`
  const chosen = choices.filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`)
  const asked = chosen.length === 0 ? '' : `; the environment has ${chosen.join(', ')}`
  const place = process.env.LIBBPF_NODE_PREBUILD || root
  const folder = `${place}/prebuilds/${platform}-${arch}`
  return `${failed}: there is none in ${folder} (${contents(folder)}) or ${place}/build/Release${asked}; ${build}`
}

function contents(folder: string): string {
  try {
    return readdirSync(folder).join(', ') || 'which is empty'
  } catch {
    return 'which does not exist'
  }
}

/** The native functions, see types/binding.d.ts. Only `lib/` uses them. */
export const native: Binding = load()
