// Builds what the cases need into build/bench/: the C programs, with the same libbpf as in the addon, and the BPF
// objects.
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile } from '../scripts/compile-bpf.mjs'
import { files } from '../scripts/files.mjs'
import { run } from '../scripts/run.mjs'
import { ensureClang } from '../scripts/tools.mjs'
import { writeLarge } from './large.mjs'
import { programCounts, writeMembers, writePrograms } from './many.mjs'

export const folder = 'build/bench'
const nodeHeaders = 'node_modules/node-api-headers/include'

/** Paths are relative to the root of the repository, which must be the working directory. */
export async function build() {
  mkdirSync(folder, { recursive: true })
  const clang = await ensureClang()
  const large = join(folder, 'large.bpf.c')
  writeLarge(large)
  const programs = programCounts.map((count) => {
    const path = join(folder, `programs-${count}.bpf.c`)
    writePrograms(path, count)
    return path
  })
  const members = join(folder, 'members.bpf.c')
  writeMembers(members)
  for (const source of [...files('bench/bpf', /\.bpf\.c$/), large, ...programs, members]) {
    await compile(clang, source, join(folder, basename(source).replace(/c$/, 'o')))
  }
  const include = ['deps/libbpf', 'deps/libbpf/include/uapi'].flatMap((path) => ['-isystem', path])
  const libraries = ['bpf', 'elf', 'zlib'].map((name) => `build/deps/lib${name}.a`)
  for (const source of files('bench/c', /\.c$/)) {
    const program = join(folder, basename(source, '.c'))
    if (program.endsWith('.node')) {
      await run('cc', ['-O2', '-Wall', '-shared', '-fPIC', `-I${nodeHeaders}`, source, '-o', program])
      continue
    }
    await run('cc', [
      '-O2',
      '-Wall',
      '-pthread',
      '-g',
      '-DLIBBPF_API=',
      ...include,
      source,
      ...libraries,
      '-o',
      program,
    ])
  }
}
