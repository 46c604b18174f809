import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import type { Binding } from '../../types/binding.js'
import { packageRoot } from './package-root.js'

// A sandbox such as Jest's has a `Symbol` of its own, which lacks these in Node.js 20. `using` needs them.
for (const name of ['dispose', 'asyncDispose'] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol.for(`nodejs.${name}`) })
}

function load(): Binding {
  const root = packageRoot()
  try {
    return loadFromUsualPlace(root) ?? loadByNodeGypBuild(root)
  } catch (cause) {
    throw new Error(explain(root, cause as NodeJS.ErrnoException), { cause })
  }
}

/** With one of these variables set, node-gyp-build may choose another file than the usual one. */
const choices = ['LIBBPF_NODE_PREBUILD', 'PREBUILDS_ONLY', 'LIBC', 'npm_config_arch', 'npm_config_platform']

/** node-gyp-build would find the same file, but needs 3 ms for it, a fifth of the whole import. */
function loadFromUsualPlace(root: string): Binding | undefined {
  if (choices.some((name) => process.env[name])) return undefined
  for (const path of usualPlaces(root)) {
    if (!existsSync(path) || whyDamaged(path) !== undefined) continue
    try {
      const module = { exports: {} }
      process.dlopen(module, path)
      return module.exports as Binding
    } catch (error) {
      // Addons are forbidden, so no other file will do. Any other error: the file is for another libc or Node.js.
      if ((error as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED') throw error
    }
  }
  return undefined
}

function usualPlaces(root: string): string[] {
  const built = `${root}/build/Release/libbpf_node.node`
  if (existsSync(built)) return [built]
  const prebuilt = (libc: string) => `${root}/prebuilds/linux-${process.arch}/libbpf-node.${libc}.node`
  // On other systems with musl, the addon for glibc does not load. Alpine's gcompat package may load it, and it then
  // fails later.
  return isAlpine() ? [prebuilt('musl')] : [prebuilt('glibc'), prebuilt('musl')]
}

function isAlpine(): boolean {
  try {
    return existsSync('/etc/alpine-release')
  } catch {
    // Node.js's permission model forbids looking.
    return false
  }
}

function loadByNodeGypBuild(root: string): Binding {
  const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
  const path: string = require('node-gyp-build').resolve(root)
  const why = whyDamaged(path)
  if (why !== undefined) throw Object.assign(new Error(`${path} ${why}`), { code: 'ERR_DLOPEN_FAILED' })
  return require(path)
}

/** EM_X86_64 and EM_AARCH64 of elf.h. */
const machines: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' }

/**
 * dlopen(3) crashes on a truncated file, and reports a file for another machine as missing. So the file is checked
 * first.
 */
function whyDamaged(path: string): string | undefined {
  const fd = openSync(path, 'r')
  try {
    const header = Buffer.alloc(64)
    const length = readSync(fd, header, 0, 64, 0)
    if (length < 64 || header.readUInt32BE(0) !== 0x7f454c46) return 'is damaged: it is not an ELF file'
    const arch = machines[header.readUInt16LE(18)] ?? 'another machine'
    if (Object.values(machines).includes(process.arch) && arch !== process.arch)
      return `is built for ${arch}, and this machine is ${process.arch}`
    // The section header table is at the end of the file.
    const size = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60)
    const { size: found } = fstatSync(fd)
    return found < size ? `is damaged: it has ${found} bytes of at least ${size}` : undefined
  } finally {
    closeSync(fd)
  }
}

/** Says which addon was needed, where it was looked for, what went wrong, and how to fix it. */
function explain(root: string, cause: NodeJS.ErrnoException): string {
  const { platform, arch, versions } = process
  const needed = `libbpf-node cannot load its native addon for ${platform}-${arch}`
  if (platform !== 'linux')
    return `${needed}: BPF is part of Linux, and this is not Linux; libbpf-node/asm and libbpf-node/testing work here`
  const failed = `${needed}, ${libc()}, Node.js ${versions.node}`
  if (cause.code === 'ERR_DLOPEN_DISABLED') {
    return `${failed}: native addons are disabled; run node with --allow-addons beside --permission, and without --no-addons`
  }
  if (cause.code === 'ERR_ACCESS_DENIED') {
    const { resource = root } = cause as { resource?: string }
    return `${failed}: Node.js's permission model forbids reading ${resource}; run node with --allow-fs-read=${root}/*`
  }
  if (cause.code === 'MODULE_NOT_FOUND' && cause.message.includes('node-gyp-build')) {
    return `${failed}: its dependency node-gyp-build is not installed; run 'npm install', and with a bundler keep libbpf-node external`
  }
  const build = `'npm run build' in ${root} builds one, with a C++ compiler and CMake`
  if (cause.code === 'ERR_DLOPEN_FAILED') {
    const noexec = noexecMount(root)
    return noexec === undefined
      ? `${failed}: ${cause.message}; ${build}`
      : `${failed}: ${cause.message}; ${noexec} is mounted with noexec, which forbids native addons: install the package elsewhere, or remount it with exec`
  }
  const chosen = choices.filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`)
  const asked = chosen.length === 0 ? '' : `; the environment has ${chosen.join(', ')}`
  const place = process.env.LIBBPF_NODE_PREBUILD || root
  const folder = `${place}/prebuilds/${platform}-${arch}`
  return `${failed}: no file for it in ${folder} (${contents(folder)}) or ${place}/build/Release${asked}; ${build}`
}

/** The mount point of a file system that must not contain code, if `path` is on one. */
function noexecMount(path: string): string | undefined {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
    const above = mounts.filter(
      ([, point]) => point !== undefined && `${path}/`.startsWith(point.replace(/\/?$/, '/')),
    )
    // The mount with the longest path contains it; of several at one path, the last one.
    const [, point, , options = ''] = above.reduce((a, b) => (b[1]!.length >= a[1]!.length ? b : a))
    return options.split(',').includes('noexec') ? point : undefined
  } catch {
    return undefined
  }
}

function libc(): string {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl'
}

function contents(folder: string): string {
  try {
    return readdirSync(folder).join(', ') || 'which is empty'
  } catch {
    return 'which does not exist'
  }
}

/** The native functions: types/binding.d.ts describes them. */
export const native: Binding = load()
