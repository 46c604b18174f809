// C that is compiled at run time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { type Architecture, isArchitecture } from './architectures.js'
import { compile } from './clang.js'
import { type Diagnostic, diagnosticsIn } from './diagnostics.js'
import { fetchCompiler } from './fetched-compiler.js'

/** Options for {@link compileC} and {@link compileCFile}. */
export interface CompileCOptions {
  /**
   * The compiler. The default is $CLANG, otherwise the first clang on the PATH, otherwise the one that
   * {@link fetchCompiler} fetched.
   */
  clang?: string
  /** Calls {@link fetchCompiler} if there is no compiler; false by default. */
  fetch?: boolean
  /** The machine that the object is for: `x64`, `arm64`, `riscv64` or `s390x`; this one by default. */
  arch?: Architecture
  /** Folders with headers, as with `-I`. The headers of libbpf and of this package are always found. */
  includes?: readonly string[]
  /** Macros, as with `-D`: `{ LIMIT: 10, DEBUG: true }`. */
  defines?: Readonly<Record<string, string | number | boolean>>
  /** More arguments for clang. */
  arguments?: readonly string[]
}

/** What {@link compileC} made. */
export interface CompiledC {
  /** The object file, for `BpfObject.open`. */
  object: Uint8Array
  /** The warnings, and the notes that belong to them. */
  diagnostics: Diagnostic[]
  /** Your files that the object depends on: the source, if it is a file, and headers. */
  files: string[]
}

/**
 * Compiles a BPF program in C with clang, at run time. If it includes a `vmlinux.h` that does not exist, it gets the
 * types of the running kernel.
 *
 * @param text - the source
 * @param options - `name`: the name of the source in diagnostics and in the object, `program.bpf.c` by default.
 * `#include "..."` finds files in the current folder
 * @throws ClangError if the program has mistakes, with each as a {@link Diagnostic}
 * @throws Error if there is no compiler
 *
 * @example
 * const { object } = await compileC(text, { defines: { LIMIT: 10 } })
 * using obj = BpfObject.open(object)
 */
export async function compileC(
  text: string,
  { name = 'program.bpf.c', includes = [], ...options }: CompileCOptions & { name?: string } = {},
): Promise<CompiledC> {
  if (typeof text !== 'string') throw new TypeError('text is not a string')
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-c-'))
  try {
    const file = join(folder, basename(name))
    writeFileSync(file, text)
    const { files, ...made } = await compileCFile(file, { ...options, includes: ['.', ...includes] })
    return { ...made, files: files.filter((one) => one !== file) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The same as {@link compileC} for a file.
 *
 * @throws ClangError, also if there is no such file
 */
export async function compileCFile(file: string, options: CompileCOptions = {}): Promise<CompiledC> {
  const { clang, fetch = false, arch, includes = [], defines = {}, arguments: more = [] } = options
  if (arch !== undefined && !isArchitecture(arch))
    throw new TypeError(`arch '${arch}' does not exist; there are x64, arm64, riscv64 and s390x`)
  const { object, files, warnings } = await compile(file, {
    clang,
    arch,
    target: undefined,
    fetch: fetch ? () => fetchCompiler() : undefined,
    includes: includes.map((folder) => resolve(folder)),
    defines: Object.entries(defines)
      .filter(([, value]) => value !== false)
      .map(([name, value]) => (value === true ? name : `${name}=${value}`)),
    more,
  })
  return { object, files: [...files], diagnostics: diagnosticsIn(warnings) }
}
