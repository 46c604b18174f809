import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path'
import { Btf } from '../btf/btf.js'
import { packageRoot } from '../native/package-root.js'

/** The byte orders that BPF code is compiled for; `bpf` is this machine's. */
export const targets = ['bpf', 'bpfel', 'bpfeb'] as const
export type Target = (typeof targets)[number]

export interface ClangOptions {
  /** The compiler; otherwise $CLANG, or the first that is on the PATH. */
  readonly clang?: string | undefined
  readonly target: Target
  /** What `-I` and `-D` are given. */
  readonly includes: readonly string[]
  readonly defines: readonly string[]
  /** Further arguments, as they are. */
  readonly more: readonly string[]
}

export interface Compiled {
  readonly object: Uint8Array
  /** The files that it depends on: its source and the headers that are included. */
  readonly files: readonly string[]
  /** What the compiler warned of. */
  readonly warnings: string
}

/** The compiler refused. The message is what it said, and its command. */
export class CompileError extends Error {}

/** The names under which clang is looked for, in this order. */
export const clangs = ['clang', ...Array.from({ length: 20 }, (_, i) => `clang-${33 - i}`)]
export const machine = { x64: 'x86_64', arm64: 'aarch64', riscv64: 'riscv64', s390x: 's390x' }[
  process.arch as string
]
export const targetArch = { x64: 'x86', arm64: 'arm64', riscv64: 'riscv', s390x: 's390' }[
  process.arch as string
]

/**
 * Compiles a BPF program. Where it includes a `vmlinux.h` that isn't found, it gets that of the running kernel.
 *
 * @throws CompileError
 */
export async function compile(source: string, options: ClangOptions): Promise<Compiled> {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-gen-'))
  try {
    const first = await run(source, options, folder)
    if (first.status !== 0 && first.output.includes("'vmlinux.h' file not found")) {
      writeFileSync(join(folder, 'vmlinux.h'), kernelTypes())
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
  const wanted = options.clang ?? process.env.CLANG ?? findClang()
  const command = wanted.includes('/') ? resolve(wanted) : wanted
  // From where the source is: its lines and the headers' are then named as seen from there, and the object is the same wherever that lies.
  const cwd = dirname(resolve(source))
  const args = [...flags(cwd, options), ...options.more]
  args.push(
    '-idirafter',
    folder,
    '-MMD',
    '-MF',
    join(folder, 'files'),
    '-c',
    basename(source),
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

function flags(cwd: string, { target, includes, defines }: ClangOptions): string[] {
  const arch = defines.some((define) => define.startsWith('__TARGET_ARCH_')) || targetArch === undefined
  return [
    ...['-g', '-O2', '-Wall', '-target', target, '-mcpu=v3'],
    // For vmlinux.h of newer kernels, where members are a struct's name alone.
    ...['-fms-extensions', '-Wno-microsoft-anon-tag'],
    ...['-fno-ident', '-fdebug-compilation-dir=.'],
    ...(arch ? [] : [`-D__TARGET_ARCH_${targetArch}`]),
    ...defines.map((define) => `-D${define}`),
    ...includes.map((folder) => `-I${relative(cwd, resolve(folder)) || '.'}`),
    ...ownIncludes(cwd).flatMap((folder) => ['-idirafter', folder]),
  ]
}

/** libbpf's headers and our own, and the system's that clang doesn't look for when it compiles for BPF. */
function ownIncludes(cwd: string): string[] {
  const root = packageRoot()
  const folders = [join(root, 'include'), join(root, 'dist/include')].map((folder) => relative(cwd, folder))
  if (machine !== undefined) folders.push(`/usr/include/${machine}-linux-gnu`)
  return folders.filter((folder) => existsSync(resolve(cwd, folder)))
}

function result({ status, output, command, cwd }: Run, folder: string): Compiled {
  if (status !== 0) throw new CompileError(`${output}$ ${command}\nended with status ${status}`)
  const files = dependencies(readFileSync(join(folder, 'files'), 'utf8'), cwd)
  return {
    object: readFileSync(join(folder, 'object')),
    files: files.filter((file) => !file.startsWith(folder)),
    warnings: output,
  }
}

/** The files that a makefile rule names. */
function dependencies(rule: string, cwd: string): string[] {
  const names = rule.slice(rule.indexOf(':') + 1).replaceAll('\\\n', ' ')
  return (names.match(/(?:\\ |\S)+/g) ?? []).map((name) => resolve(cwd, name.replaceAll('\\ ', ' ')))
}

let vmlinux: string | undefined

/** The running kernel's `vmlinux.h`. It takes a second, and doesn't change. */
function kernelTypes(): string {
  if (vmlinux === undefined) {
    using btf = Btf.fromKernel()
    vmlinux = btf.toC()
  }
  return vmlinux
}

function findClang(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = clangs.find((name) => folders.some((folder) => existsSync(join(folder, name))))
  if (found !== undefined) return found
  throw new CompileError('there is no clang on the PATH: install one, or name it with --clang')
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

/** A path as one would write it here. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
