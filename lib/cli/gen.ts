import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { shortPath, type Target, targets } from '../codegen/clang.js'
import { type Generated, type GenerateOptions, generate } from '../codegen/generate.js'
import { type Command, exitCodes, say, UsageError } from './command.js'
import { watch } from './watch.js'

const options = {
  output: { type: 'string', short: 'o' },
  name: { type: 'string' },
  record: { type: 'string', multiple: true },
  type: { type: 'string', multiple: true },
  external: { type: 'boolean' },
  check: { type: 'boolean' },
  watch: { type: 'boolean' },
  include: { type: 'string', short: 'I', multiple: true },
  define: { type: 'string', short: 'D', multiple: true },
  target: { type: 'string' },
  clang: { type: 'string' },
} as const

export const command: Command = {
  usage: '[OPTIONS] FILE... [-- CLANG-ARGUMENTS]',
  summary: 'Write TypeScript for a BPF object: a class with typed programs, maps, variables and events',
  help: `FILE is C, which is compiled with clang, or a compiled object; several are linked. exec.bpf.c becomes exec.skel.ts.

  -o, --output FILE      where the TypeScript goes; beside the first FILE by default
      --name CLASS       the class's name; otherwise the file's
      --record MAP=TYPE  the C type of the records that come through a ring buffer or perf event array; a
                         btf_decl_tag("record:TYPE") on the map does the same
      --type TYPE        generate a C type that nothing else mentions
      --external         leave the object in a file beside the TypeScript, instead of in it
      --check            write nothing, and fail when what is there is out of date
      --watch            do it again whenever a source or header changes
  -I, --include FOLDER   where clang looks for headers; libbpf's are found without, and so is the kernel's vmlinux.h
  -D, --define NAME[=VALUE]
      --target TARGET    bpf (this machine's byte order), bpfel or bpfeb
      --clang PROGRAM    the compiler; $CLANG by default, or what is on the PATH

An object's code depends on the compiler's version: use one for --check that wrote what is checked.
`,
  async run(args) {
    const { asked, isCheck, isWatch } = parse(args)
    if (isCheck) return report(await generate(asked), check)
    if (isWatch) return watch(async () => (await generated(asked)).sources)
    await generated(asked)
    return exitCodes.ok
  },
}

async function generated(asked: GenerateOptions): Promise<Generated> {
  const result = await generate(asked)
  report(result, write)
  return result
}

function parse(args: string[]): { asked: GenerateOptions; isCheck: boolean; isWatch: boolean } {
  const dashes = args.indexOf('--')
  const [own, more] = dashes < 0 ? [args, []] : [args.slice(0, dashes), args.slice(dashes + 1)]
  const { values, positionals } = parsed(own)
  const { target = 'bpf', check = false, watch = false } = values
  if (positionals.length === 0) throw new UsageError('no FILE is given')
  if (values.output === '') throw new UsageError('--output names no FILE')
  if (!isTarget(target)) throw new UsageError(`--target ${target}: there are ${targets.join(', ')}`)
  if (check && watch) throw new UsageError('--check and --watch exclude each other')
  if (values.name !== undefined && !/^[A-Z_$][\w$]*$/.test(values.name)) {
    throw new UsageError(`--name ${values.name}: that is no name for a class: they begin with a capital`)
  }
  return {
    isCheck: check,
    isWatch: watch,
    asked: {
      inputs: positionals,
      output: values.output,
      className: values.name,
      records: new Map((values.record ?? []).map(recordOf)),
      types: values.type ?? [],
      external: values.external ?? false,
      includes: values.include ?? [],
      defines: values.define ?? [],
      target,
      clang: values.clang,
      more,
    },
  }
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

function recordOf(text: string): [string, string] {
  const [, map, type] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (map === undefined || type === undefined) throw new UsageError(`--record ${text}: it wants MAP=TYPE`)
  return [map, type]
}

/** Shows warnings, then does something with each file. */
function report({ files, warnings }: Generated, each: (path: string, content: Uint8Array) => number): number {
  if (warnings !== '') process.stderr.write(warnings)
  const codes = [...files].map(([path, content]) => each(path, Buffer.from(content)))
  return Math.max(...codes)
}

function write(path: string, content: Uint8Array): number {
  // Whoever watches the file need not look when nothing has changed.
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
  // A pipe or a device is written to, never read.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false
  return Buffer.compare(readFileSync(path), content) === 0
}
