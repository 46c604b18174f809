import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path'
import { Btf } from '../btf/btf.js'
import { packageRoot } from '../native/package-root.js'
import { type Architecture, architectures, headerFor, ownArchitecture } from './architectures.js'
import { ClangError, CompileError } from './compile-error.js'
import { type Compiler, canFetch, fetchedCompiler, fetchedSize } from './fetched-compiler.js'

/** The targets to compile for. `bpf` has the byte order of this machine. */
export const targets = ['bpf', 'bpfel', 'bpfeb'] as const
export type Target = (typeof targets)[number]

export interface ClangOptions {
  /** The machine that the object is for; this one by default. */
  readonly arch?: Architecture | undefined
  /** The compiler. The default is $CLANG, otherwise the first clang on the PATH. */
  readonly clang?: string | undefined
  /** The byte order. By default that of the machine. */
  readonly target: Target | undefined
  /** The arguments of `-I` and `-D`. */
  readonly includes: readonly string[]
  readonly defines: readonly string[]
  /** More arguments for clang, unchanged. */
  readonly more: readonly string[]
  /** Called if there is no compiler, to get one. */
  readonly fetch?: (() => Promise<unknown>) | undefined
}

export interface Compiled {
  readonly object: Uint8Array
  /** The files that the object depends on: its source and all headers. */
  readonly files: readonly string[]
  /** The warnings of the compiler. */
  readonly warnings: string
}

/** The names under which clang is looked for, in this order. */
export const clangs = ['clang', ...Array.from({ length: 20 }, (_, i) => `clang-${33 - i}`)]
/**
 * Compiles a BPF program. If it includes a `vmlinux.h` that does not exist, the types of the running kernel are used.
 *
 * @throws CompileError
 */
export async function compile(source: string, options: ClangOptions): Promise<Compiled> {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-gen-'))
  try {
    const first = await run(source, options, folder)
    if (first.status !== 0 && first.output.includes("'vmlinux.h' file not found")) {
      const header = join(folder, 'vmlinux.h')
      const types = options.arch === undefined ? kernelTypes() : headerFor(options.arch, kernelTypes())
      writeFileSync(header, types)
      const second = await run(source, options, folder)
      // The source may declare kfuncs itself, and differently.
      if (second.status === 0 || !second.output.includes('conflicting types for'))
        return result(second, folder)
      writeFileSync(header, `#define BPF_NO_KFUNC_PROTOTYPES\n${types}`)
      return result(await run(source, options, folder), folder)
    }
    return result(first, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Run {
  readonly cwd: string
  readonly status: number
  readonly command: string
  readonly output: string
}

async function run(source: string, options: ClangOptions, folder: string): Promise<Run> {
  const { command, args: first } = await compilerFor(options)
  // Runs in the folder of the source: paths in the object are then relative, so it is the same wherever the folder is.
  const cwd = dirname(resolve(source))
  const args = [...first, ...flags(cwd, options), ...options.more]
  args.push(
    '-idirafter',
    folder,
    '-MMD',
    '-MF',
    join(folder, 'files'),
    '-c',
    operand(basename(source)),
    '-o',
    join(folder, 'object'),
  )
  const { status, output } = await spawned(command, args, cwd)
  const line = [command, ...args].map(quoted).join(' ')
  return {
    status,
    output,
    cwd,
    command: cwd === process.cwd() ? line : `cd ${quoted(shortPath(cwd))} && ${line}`,
  }
}

function flags(cwd: string, { arch, target, includes, defines }: ClangOptions): string[] {
  const made = arch ?? ownArchitecture
  const isTold = defines.some((define) => define.startsWith('__TARGET_ARCH_')) || made === undefined
  const order = arch === undefined ? 'bpf' : architectures[arch].byteOrder
  return [
    ...['-g', '-O2', '-Wall', '-target', target ?? order, '-mcpu=v3'],
    // vmlinux.h of newer kernels has members that consist of a struct's name only.
    ...['-fms-extensions', '-Wno-microsoft-anon-tag'],
    ...['-fno-ident', '-fdebug-compilation-dir=.'],
    ...(isTold ? [] : [`-D__TARGET_ARCH_${architectures[made].target}`]),
    ...defines.map((define) => `-D${define}`),
    ...includes.map((folder) => `-I${relative(cwd, resolve(folderFor(folder, made))) || '.'}`),
    ...ownIncludes(cwd, made).flatMap((folder) => ['-idirafter', folder]),
  ]
}

/** `vmlinux/{arch}` is a folder for each machine. */
function folderFor(folder: string, arch: Architecture | undefined): string {
  return arch === undefined ? folder : folder.replaceAll('{arch}', arch)
}

/** The headers of libbpf and of this package, and those of the system that clang ignores when it compiles for BPF. */
function ownIncludes(cwd: string, arch: Architecture | undefined): string[] {
  const root = packageRoot()
  const folders = [join(root, 'include'), join(root, 'dist/include')].map((folder) => relative(cwd, folder))
  // The headers of this machine's architecture are better than none.
  for (const one of new Set([arch, ownArchitecture]))
    if (one !== undefined) folders.push(`/usr/include/${architectures[one].machine}-linux-gnu`)
  return folders.filter((folder) => existsSync(resolve(cwd, folder)))
}

function result({ status, output, command, cwd }: Run, folder: string): Compiled {
  if (status !== 0) throw new ClangError(`${output}$ ${command}\nended with status ${status}`, output)
  const files = dependencies(readFileSync(join(folder, 'files'), 'utf8'), cwd)
  return {
    object: readFileSync(join(folder, 'object')),
    files: files.filter((file) => !file.startsWith(folder)),
    warnings: output,
  }
}

/** Returns the files in a makefile rule. */
function dependencies(rule: string, cwd: string): string[] {
  const names = rule.slice(rule.indexOf(':') + 1).replaceAll('\\\n', ' ')
  return (names.match(/(?:\\ |\S)+/g) ?? []).map((name) => resolve(cwd, name.replaceAll('\\ ', ' ')))
}

let vmlinux: string | undefined

/** Returns `vmlinux.h` for the running kernel. Writing it takes a second, so it is kept. */
function kernelTypes(): string {
  if (vmlinux !== undefined) return vmlinux
  try {
    using btf = Btf.fromKernel()
    vmlinux = btf.toC()
    return vmlinux
  } catch (error) {
    throw new CompileError(
      `there is no vmlinux.h to include, and it cannot be made from this kernel's BTF (${(error as Error).message}). Run 'npx libbpf-node btf dump vmlinux > vmlinux.h' on a machine whose kernel has BTF (CONFIG_DEBUG_INFO_BTF), and put the file beside the source or into a folder that you name with -I`,
    )
  }
}

/** A file name that clang does not take for an option. */
function operand(name: string): string {
  return name.startsWith('-') ? `./${name}` : name
}

/** The compiler to use: the one that is named, one that is installed, or one that was fetched. */
async function compilerFor({ clang, fetch }: ClangOptions): Promise<Compiler> {
  const named = clang ?? (process.env.CLANG || clangOnPath())
  if (named !== undefined) return { command: named.includes('/') ? resolve(named) : named, args: [] }
  if (fetchedCompiler() === undefined) await fetch?.()
  const fetched = fetchedCompiler()
  if (fetched !== undefined) return fetched
  const offer = canFetch
    ? `, or let 'npx libbpf-node gen --fetch-compiler' fetch one from the npm registry (${fetchedSize})`
    : ''
  throw new CompileError(`clang is not on the PATH: install it, or name it with --clang${offer}`)
}

/** The first clang on the PATH; undefined if there is none. */
export function clangOnPath(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return clangs.find((name) => folders.some((folder) => existsSync(join(folder, name))))
}

function spawned(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (text: string) => {
      output += text
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(new CompileError(`${command} cannot be run (${error.code})`)),
    )
    child.on('close', (status, signal) =>
      resolve({ status: status ?? 128 + (signal === null ? 0 : constants.signals[signal]), output }),
    )
  })
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** Returns a path relative to the current folder if it is inside of it. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
