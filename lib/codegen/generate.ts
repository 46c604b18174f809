import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { BpfError } from '../errors/errors.js'
import type { CompileResult } from '../kernel.js'
import { Linker, type LinkSource } from '../objects/linker.js'
import { BpfObject } from '../objects/object.js'
import { toPathOrBytes } from '../objects/source.js'
import type { Architecture } from './architectures.js'
import { type ClangOptions, compile } from './clang.js'
import { readComments } from './comments.js'
import { CompileError } from './compile-error.js'
import { generateModule } from './module.js'
import { fileOf } from './objects.js'
import { GenerateError } from './records.js'

export interface GenerateOptions extends ClangOptions {
  /** `.bpf.c` and `.bpf.o` files. Several are linked into one object. */
  readonly inputs: readonly string[]
  /** The TypeScript file; by default it is written next to the first input. */
  readonly output?: string | undefined
  readonly className?: string | undefined
  readonly records: ReadonlyMap<string, string>
  readonly types: readonly string[]
  /** Writes the object to a file next to the TypeScript file. */
  readonly external: boolean
  /** The oldest kernel that TypeScript for the kernel has to load into. */
  oldestKernel?: string | undefined
  /** The architectures to make an object for. If there are none, the only object is for this machine. */
  readonly architectures: readonly Architecture[]
}

export interface Generated {
  /** The files to write, by path. */
  readonly files: ReadonlyMap<string, string | Uint8Array>
  /** The files that they were made from. */
  readonly sources: readonly string[]
  readonly warnings: string
}

/** Generates the TypeScript for an object, and the object if it goes to a file of its own. Writes no files. */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const [first] = options.inputs
  if (first === undefined) throw new GenerateError('there is nothing to generate from')
  const output = options.output ?? join(dirname(first), `${stem(first)}.skel.ts`)
  const name = stem(output)
  const made: Part[] = []
  const objects = new Map<Architecture | undefined, Uint8Array>()
  const machines = options.architectures.length === 0 ? [undefined] : options.architectures
  for (const arch of machines) {
    const parts = await Promise.all(options.inputs.map((input) => partOf(input, { ...options, arch })))
    objects.set(arch, await link(parts))
    made.push(...parts)
  }
  const files = new Map<string, string | Uint8Array>()
  if (options.external) {
    for (const [arch, object] of objects) {
      const beside = join(dirname(output), fileOf(name, arch))
      if (options.inputs.some((input) => join(input) === beside))
        throw new GenerateError(`--external would overwrite ${beside}: choose another name with --output`)
      files.set(beside, object)
    }
  }
  const sources = [...new Set(made.flatMap((part) => part.files))].sort()
  const text = generateModule({
    objects,
    name,
    className: options.className,
    sources: options.inputs.map((input) => basename(input)),
    comments: readComments(sources.filter(isOwnSource).map((file) => readFileSync(file, 'utf8'))),
    records: options.records,
    types: options.types,
    external: options.external,
    isCommonJs: isCommonJs(output),
  })
  return {
    files: new Map<string, string | Uint8Array>([[output, text], ...files]),
    sources,
    warnings: [...new Set(made.map((part) => part.warnings))].join(''),
  }
}

/** Generates the TypeScript for each input on its own, so `output` and `className` must not be set. Writes no files. */
export async function generateEach(options: GenerateOptions): Promise<Generated> {
  const all = await Promise.all(options.inputs.map((input) => generateOne(input, options)))
  const files = new Map<string, string | Uint8Array>()
  for (const [i, one] of all.entries()) {
    for (const [path, content] of one.files) {
      if (files.has(path))
        throw new GenerateError(`${options.inputs[i]}: another input is written to ${path}, too`)
      files.set(path, content)
    }
  }
  return {
    files,
    sources: [...new Set(all.flatMap((one) => one.sources))].sort(),
    warnings: all.map((one) => one.warnings).join(''),
  }
}

async function generateOne(input: string, options: GenerateOptions): Promise<Generated> {
  try {
    return await generate({ ...options, inputs: [input] })
  } catch (error) {
    // What clang printed names the file already.
    if (error instanceof CompileError) throw error
    throw new GenerateError(`${input}: ${(error as Error).message}`)
  }
}

interface Part {
  readonly input: string
  readonly object: LinkSource
  readonly files: readonly string[]
  readonly warnings: string
}

async function partOf(input: string, options: GenerateOptions): Promise<Part> {
  if (!existsSync(input)) throw new CompileError(`no such file '${input}'`)
  if (/\.(c|h)$/.test(input)) return { input, ...(await compile(input, options)) }
  if (/\.[cm]?ts$/.test(input)) {
    const { object, imported } = await compileTypeScript(input, options)
    return { input, object, files: [input, ...imported], warnings: '' }
  }
  if (options.arch !== undefined && options.architectures.length > 1)
    throw new GenerateError(`${input}: an object is for one machine, so --arch needs its source`)
  return { input, object: input, files: [input], warnings: '' }
}

type OldestKernel = Pick<GenerateOptions, 'oldestKernel' | 'arch'>

/** Imports the compiler only when it is needed. */
async function compileTypeScript(input: string, oldest: OldestKernel): Promise<CompileResult> {
  const { compile } = await import('../kernel.js')
  return withOwnErrors(() => compile(readFileSync(input, 'utf8'), optionsOf(input, oldest)))
}

/** A listing of what the compiler makes of TypeScript, as text. */
export async function listTypeScript(
  input: string,
  what: 'ir' | 'asm',
  oldest: OldestKernel,
): Promise<string> {
  if (!existsSync(input)) throw new CompileError(`no such file '${input}'`)
  const { listingOf } = await import('../compiler/compile.js')
  return withOwnErrors(() => listingOf(readFileSync(input, 'utf8'), what, optionsOf(input, oldest)))
}

function optionsOf(input: string, { oldestKernel, arch }: OldestKernel) {
  if (arch !== undefined && arch !== 'x64' && arch !== 'arm64')
    throw new GenerateError(`${input}: TypeScript is compiled for x64 and arm64, not for ${arch}`)
  return {
    file: basename(input),
    resolveDir: dirname(input),
    ...(oldestKernel !== undefined && { oldestKernel }),
    ...(arch !== undefined && { arch }),
  }
}

function withOwnErrors<T>(compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BPF_COMPILE')
      throw new CompileError((error as Error).message)
    throw error
  }
}

/** Makes one object from the parts. */
async function link(parts: readonly Part[]): Promise<Uint8Array> {
  using linker = new Linker()
  try {
    for (const { object } of parts) await linker.add(object)
    return await linker.finalize()
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    // A single object needs no linking. It is only done to drop the DWARF, which is most of an object.
    if (parts.length === 1) {
      const { object } = parts[0]!
      if (opens(object)) return bytesOf(object)
      throw error
    }
    throw new GenerateError(await conflict(parts, error))
  }
}

/** Finds the first part that cannot be linked with those before it, and says why. */
async function conflict(parts: readonly Part[], error: BpfError): Promise<string> {
  for (let count = 1; count <= parts.length; count++) {
    const some = parts.slice(0, count)
    try {
      await Linker.link(some.map((part) => part.object))
    } catch (thrown) {
      const inputs = some.map((part) => part.input)
      const last = inputs.pop()!
      // libbpf calls an object in memory by its address.
      const message = (thrown as Error).message
        .replace(/^link an object of \d+ bytes: /, '')
        .replaceAll(/mem:0x[0-9a-f]+\+\d+/g, last)
      const others = inputs.length === 0 ? '' : ` with ${inputs.join(', ')}`
      return `cannot link ${last}${others}: ${message}; use --each if each file is an object of its own`
    }
  }
  return error.message
}

function opens(object: LinkSource): boolean {
  try {
    BpfObject.open(object).close()
    return true
  } catch {
    return false
  }
}

function bytesOf(source: LinkSource): Uint8Array {
  const file = toPathOrBytes(source)
  return typeof file === 'string' ? readFileSync(file) : file
}

/**
 * Whether a file is C with comments worth reading: objects have none, and those of the kernel's types are not the
 * program's.
 */
function isOwnSource(file: string): boolean {
  return /\.(c|h)$/.test(file) && basename(file) !== 'vmlinux.h'
}

/** Returns `exec` for `some/where/exec.bpf.c`. */
function stem(path: string): string {
  const [name = ''] = basename(path).split('.')
  return name === '' ? 'object' : name
}

/**
 * Whether TypeScript and Node.js treat this file as a CommonJS module: by its extension, otherwise by the nearest
 * package.json.
 */
function isCommonJs(path: string): boolean {
  const extension = extname(path)
  if (extension === '.cts' || extension === '.mts') return extension === '.cts'
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) return typeOf(file) !== 'module'
    if (folder === dirname(folder)) return true
  }
}

function typeOf(packageJson: string): unknown {
  try {
    return (JSON.parse(readFileSync(packageJson, 'utf8')) as { type?: unknown }).type
  } catch {
    return undefined
  }
}
