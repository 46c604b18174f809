import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Linker, type LinkSource } from '../objects/linker.js'
import { type ClangOptions, compile } from './clang.js'
import { readComments } from './comments.js'
import { generateModule } from './module.js'
import { GenerateError } from './records.js'

export interface GenerateOptions extends ClangOptions {
  /** `.bpf.c` and `.bpf.o` files; several are linked. */
  readonly inputs: readonly string[]
  /** Where the TypeScript goes; beside the first input by default. */
  readonly output?: string | undefined
  readonly className?: string | undefined
  readonly records: ReadonlyMap<string, string>
  readonly types: readonly string[]
  /** Leaves the object in a file beside the TypeScript. */
  readonly external: boolean
}

export interface Generated {
  /** What has to be written, by path. */
  readonly files: ReadonlyMap<string, string | Uint8Array>
  /** What it was made of. */
  readonly sources: readonly string[]
  readonly warnings: string
}

/** Makes the TypeScript for an object, and the object where that is to be a file. Writes nothing. */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const [first] = options.inputs
  if (first === undefined) throw new GenerateError('there is nothing to generate from')
  const parts = await Promise.all(options.inputs.map((input) => partOf(input, options)))
  // Also a single one: that leaves DWARF behind, which nobody reads and which is most of an object.
  const object = await Linker.link(parts.map((part) => part.object))
  const output = options.output ?? join(dirname(first), `${stem(first)}.skel.ts`)
  const name = stem(output)
  const external = options.external ? `${name}.bpf.o` : undefined
  const beside = external === undefined ? undefined : join(dirname(output), external)
  if (beside !== undefined && options.inputs.some((input) => join(input) === beside)) {
    throw new GenerateError(`--external would overwrite ${beside}: give another name with --output`)
  }
  const text = generateModule({
    object,
    name,
    className: options.className,
    sources: options.inputs.map((input) => basename(input)),
    comments: readComments(
      parts
        .flatMap((part) => part.files)
        .filter(isOwnSource)
        .map((file) => readFileSync(file, 'utf8')),
    ),
    records: options.records,
    types: options.types,
    external,
  })
  return {
    files: new Map<string, string | Uint8Array>([
      [output, text],
      ...(beside === undefined ? [] : ([[beside, object]] as const)),
    ]),
    sources: [...new Set(parts.flatMap((part) => part.files))].sort(),
    warnings: parts.map((part) => part.warnings).join(''),
  }
}

interface Part {
  readonly object: LinkSource
  readonly files: readonly string[]
  readonly warnings: string
}

async function partOf(input: string, options: ClangOptions): Promise<Part> {
  if (/\.(c|h)$/.test(input)) return compile(input, options)
  // By its name: errors tell it.
  return { object: input, files: [input], warnings: '' }
}

/** C that somebody has written: objects have no comments, and neither do the kernel's types. */
function isOwnSource(file: string): boolean {
  return /\.(c|h)$/.test(file) && basename(file) !== 'vmlinux.h'
}

/** `exec` of `some/where/exec.bpf.c`. */
function stem(path: string): string {
  const [name = ''] = basename(path).split('.')
  return name === '' ? 'object' : name
}
