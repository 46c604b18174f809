import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { Btf } from '../btf/btf.js'
import { type Architecture, isArchitecture, architectures as machines } from '../codegen/architectures.js'
import { shortPath, type Target, targets } from '../codegen/clang.js'
import { cacheFolder, canFetch, fetchCompiler, fetchedSize } from '../codegen/fetched-compiler.js'
import {
  type Generated,
  type GenerateOptions,
  generate,
  generateEach,
  listTypeScript,
} from '../codegen/generate.js'
import { Linker } from '../objects/linker.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { watch } from './watch.js'

const options = {
  output: { type: 'string', short: 'o' },
  name: { type: 'string' },
  record: { type: 'string', multiple: true },
  type: { type: 'string', multiple: true },
  each: { type: 'boolean' },
  external: { type: 'boolean' },
  check: { type: 'boolean' },
  watch: { type: 'boolean' },
  include: { type: 'string', short: 'I', multiple: true },
  define: { type: 'string', short: 'D', multiple: true },
  kernel: { type: 'string' },
  emit: { type: 'string' },
  arch: { type: 'string' },
  target: { type: 'string' },
  clang: { type: 'string' },
  'fetch-compiler': { type: 'boolean' },
} as const

export const command: Command = {
  usage: '[OPTIONS] FILE... [-- CLANG-ARGUMENTS]',
  summary: 'Write TypeScript for a BPF object: a class with typed programs, maps, variables and events',
  help: `FILE is C source such as exec.bpf.c, which is compiled with clang, TypeScript for the kernel such as exec.bpf.ts,
or a compiled object. All of these become exec.skel.ts. Several files are linked into one object, unless you use --each.

  -o, --output FILE      the TypeScript file to write; by default beside the first FILE
      --name CLASS       the name of the class; by default it is made from the file name
      --each             write one TypeScript file for each FILE
      --record MAP=TYPE  the C type of the records of a ring buffer or perf event array; a
                         btf_decl_tag("record:TYPE") on the map does the same
      --type TYPE        also generate this C type, which nothing else needs
      --external         write the object to a file beside the TypeScript file, instead of into it
      --check            write nothing, and exit with status 1 if a file is out of date
      --watch            generate again whenever a source or header changes
  -I, --include FOLDER   where clang looks for headers; libbpf's headers and the kernel's vmlinux.h are always found
  -D, --define NAME[=VALUE]
      --kernel VERSION   the oldest kernel that TypeScript has to load into, such as 5.10: what it lacks is an error
      --emit WHAT        write nothing, and print what the compiler makes of TypeScript: ir (its operations before
                         registers are chosen) or asm (instructions)
      --arch LIST        the machines to compile for, such as x64,arm64: the module has an object for each of them, and
                         picks one when it is opened. They are x64, arm64, riscv64 and s390x. In --include, {arch}
                         stands for the machine
      --target TARGET    bpf (the byte order of this machine), bpfel or bpfeb
      --clang PROGRAM    the compiler; by default $CLANG, otherwise the first clang on the PATH
      --fetch-compiler   if there is no clang, fetch one from the npm registry into ~/.cache/libbpf-node (${fetchedSize});
                         it is then used whenever there is no other

The compiled code depends on the version of clang: run --check with the version that wrote the files.

  gen object OUTPUT INPUT...               link object files into one
  gen min_core_btf INPUT OUTPUT OBJECT...  write the part of the BTF of a kernel that CO-RE needs for these objects, to
                                           load them where the kernel has no BTF. INPUT is raw BTF or a vmlinux
`,
  async run(args) {
    const made = await otherwise(args)
    if (made) return exitCodes.ok
    const { asked, isEach, isCheck, isWatch, emit } = parse(args)
    if (emit !== undefined) return list(emit, asked)
    const make = async () => (isEach ? await generateEach(asked) : await generate(asked))
    if (isCheck) return report(await make(), check)
    const update = async () => {
      const made = await make()
      report(made, write)
      return made.sources
    }
    if (isWatch) return watch(update)
    await update()
    return exitCodes.ok
  },
}

/** bpftool's `gen object` and `gen min_core_btf`, and errors that explain its other words. */
async function otherwise([word, output, ...inputs]: string[]): Promise<boolean> {
  if (word === 'skeleton' || word === 'subskeleton')
    throw new UsageError(`'${word}' writes C; for TypeScript, 'libbpf-node gen FILE' is enough`)
  if (word !== 'object' && word !== 'min_core_btf') return false
  if (output === undefined) throw new UsageError(word === 'object' ? 'OUTPUT missing' : 'INPUT missing')
  const [first, ...rest] = inputs
  if (first === undefined) throw new UsageError(word === 'object' ? 'INPUT missing' : 'OUTPUT missing')
  if (word === 'object') {
    writeFileSync(output, await Linker.link(inputs))
    return true
  }
  if (rest.length === 0) throw new UsageError('OBJECT missing')
  using btf = Btf.fromFile(output)
  const { minCoreBtf } = await import('../codegen/min-core-btf.js')
  writeFileSync(
    first,
    minCoreBtf(
      btf.types,
      rest.map((file) => readFileSync(file)),
    ),
  )
  return true
}

interface Asked {
  asked: GenerateOptions
  isEach: boolean
  isCheck: boolean
  isWatch: boolean
  emit: 'ir' | 'asm' | undefined
}

function parse(args: string[]): Asked {
  const dashes = args.indexOf('--')
  const [own, more] = dashes < 0 ? [args, []] : [args.slice(0, dashes), args.slice(dashes + 1)]
  const { values, positionals } = parsed(own.map(fileOrOption))
  const { target, each = false, check = false, watch = false } = values
  if (positionals.length === 0) throw new UsageError('a FILE is required')
  if (values.output === '') throw new UsageError('--output requires the name of a file')
  if (target !== undefined && !isTarget(target))
    throw new UsageError(`--target ${target}: the targets are ${targets.join(', ')}`)
  const architectures = [...new Set(values.arch?.split(','))].map(architectureOf)
  if (architectures.length > 0 && target !== undefined)
    throw new UsageError('--arch says the byte order, so it cannot be used with --target')
  if (values.kernel !== undefined && !/^\d+\.\d+$/.test(values.kernel))
    throw new UsageError(`--kernel ${values.kernel}: the version of a kernel is written as in 5.10`)
  const { emit } = values
  if (emit !== undefined && emit !== 'ir' && emit !== 'asm')
    throw new UsageError(`--emit ${emit}: it can be ir or asm`)
  if (check && watch) throw new UsageError('--check and --watch cannot be used together')
  if (each && (values.output !== undefined || values.name !== undefined)) {
    throw new UsageError('--each writes several files, so it cannot be used with --output or --name')
  }
  if (values.name !== undefined && !/^[A-Z_$][\w$]*$/.test(values.name)) {
    throw new UsageError(
      `--name ${values.name}: the name of a class must be an identifier that begins with a capital letter`,
    )
  }
  return {
    isEach: each,
    isCheck: check,
    isWatch: watch,
    emit,
    asked: {
      inputs: positionals,
      output: values.output,
      className: values.name,
      records: new Map((values.record ?? []).map(recordOf)),
      types: values.type ?? [],
      external: values.external ?? false,
      includes: values.include ?? [],
      defines: values.define ?? [],
      architectures,
      target,
      oldestKernel: values.kernel,
      clang: values.clang,
      fetch: values['fetch-compiler'] ? fetchOnce : canAsk() ? askToFetch : undefined,
      more,
    },
  }
}

/** Prints what the compiler makes of TypeScript. */
async function list(what: 'ir' | 'asm', { inputs, oldestKernel }: GenerateOptions): Promise<number> {
  for (const input of inputs) {
    if (!/\.[cm]?ts$/.test(input)) throw new UsageError(`--emit is for TypeScript, and ${input} is not`)
    process.stdout.write(await listTypeScript(input, what, { oldestKernel }))
  }
  return exitCodes.ok
}

/** A file such as `-.bpf.c`, which the shell puts in for `*.bpf.c`, is not an option. */
function fileOrOption(word: string): string {
  return /^-.*\.[cho]$/.test(word) && existsSync(word) ? `./${word}` : word
}

function parsed(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function isTarget(target: string): target is Target {
  return (targets as readonly string[]).includes(target)
}

let fetching: Promise<string> | undefined

/** Fetches the compiler, once for all files. */
function fetchOnce(): Promise<string> {
  if (fetching === undefined) {
    say(`fetching a compiler (${fetchedSize}) into ${cacheFolder()}`)
    fetching = fetchCompiler()
  }
  return fetching
}

const canAsk = (): boolean => canFetch && process.stdin.isTTY && process.stderr.isTTY

let asking: Promise<unknown> | undefined

/** Asks in a terminal, once for all files. */
function askToFetch(): Promise<unknown> {
  const ask = async (): Promise<void> => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    const question = `clang is not on the PATH. Fetch a compiler from the npm registry (${fetchedSize})? [y/N] `
    const answer = await terminal.question(question).finally(() => terminal.close())
    if (/^y(es)?$/i.test(answer.trim())) await fetchOnce()
  }
  asking ??= ask()
  return asking
}

function architectureOf(name: string): Architecture {
  if (isArchitecture(name)) return name
  throw new UsageError(`--arch ${name}: the machines are ${Object.keys(machines).join(', ')}`)
}

function recordOf(text: string): [string, string] {
  const [, map, type] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (map === undefined || type === undefined) throw new UsageError(`--record ${text}: the form is MAP=TYPE`)
  return [map, type]
}

/** Prints the warnings, then calls `each` for every file. Returns the highest exit code. */
function report({ files, warnings }: Generated, each: (path: string, content: Uint8Array) => number): number {
  if (warnings !== '') process.stderr.write(warnings)
  const codes = [...files].map(([path, content]) => each(path, Buffer.from(content)))
  return Math.max(...codes)
}

function write(path: string, content: Uint8Array): number {
  // A file that has not changed is not written again, so that nothing is rebuilt.
  if (isThere(path, content)) return exitCodes.ok
  writeFileSync(path, content)
  say(`wrote ${shortPath(path)}`)
  return exitCodes.ok
}

function check(path: string, content: Uint8Array): number {
  if (isThere(path, content)) return exitCodes.ok
  say(`libbpf-node gen: ${shortPath(path)} is out of date: run the same command without --check`)
  return exitCodes.failed
}

function isThere(path: string, content: Uint8Array): boolean {
  // A pipe or device is only written to, never read.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false
  return Buffer.compare(readFileSync(path), content) === 0
}
