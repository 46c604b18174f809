// Compiles BPF programs: examples/a/a.bpf.c becomes dist/examples/a/a.bpf.o, test/bpf/b.bpf.c becomes
// dist/test/bpf/b.bpf.o.
import { existsSync, mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { files, fingerprint } from './files.mjs'
import { Failure, run } from './run.mjs'

// <bpf/usdt.bpf.h> includes <asm/errno.h>, which Debian keeps in a folder for each architecture.
const multiarch = { x64: 'usr/include/x86_64-linux-gnu', arm64: 'usr/include/aarch64-linux-gnu' }
const targetArch = { x64: 'x86', arm64: 'arm64' }

/**
 * The machine to compile for, the folder that has build/include/ and gets dist/, and where the machine's headers are.
 */
const here = { arch: process.arch, folder: '', system: '/' }

const main = 'examples/activity/'
const bpfFiles = (...folders) => folders.flatMap((folder) => files(folder, /\.bpf\.c$/))
const groups = {
  bpf: () => bpfFiles('lib', main),
  examples: () => bpfFiles('examples').filter((file) => !file.startsWith(main)),
  tests: () => bpfFiles('test/bpf'),
}

/** The BPF programs that a step of scripts/setup compiles, or all of them. */
export const sources = (group) => (group ? groups[group]() : Object.values(groups).flatMap((find) => find()))
export const objectOf = (source) => `dist/${source.replace(/c$/, 'o')}`

const headers = (folder = '') => [
  ...files('include', /\.h$/),
  join(folder, 'build/include/vmlinux.h'),
  'deps/libbpf/.fetched',
]
const headersBeside = (source) => files(dirname(source), /\.h$/)

/** Changes when one of the objects has to be compiled again. */
export const inputs = (sources) =>
  fingerprint(...sources.flatMap((source) => [source, ...headersBeside(source)]), ...headers())

/**
 * Compiles what has changed. `previous` is what the last call returned: a fingerprint of the inputs of each object.
 */
export async function compileBpf(clang, sources, previous = {}, machine = here) {
  const shared = [fingerprint(clang, ...headers(machine.folder)), targetArch[machine.arch]]
  const made = {}
  const todo = []
  for (const source of sources) {
    const object = join(machine.folder, objectOf(source))
    made[object] = JSON.stringify([...shared, fingerprint(source, ...headersBeside(source))])
    if (made[object] !== previous[object] || !existsSync(object)) todo.push(source)
  }
  const failures = []
  const worker = async () => {
    for (let source = todo.pop(); source; source = todo.pop()) {
      const object = join(machine.folder, objectOf(source))
      await compile(clang, source, object, machine).catch((error) => failures.push(error.message))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  if (failures.length > 0) throw new Failure(failures.join('\n\n'))
  return made
}

export function compile(clang, source, object = objectOf(source), { arch, folder, system } = here) {
  mkdirSync(dirname(object), { recursive: true })
  const include = ['include', join(folder, 'build/include'), 'deps/libbpf']
    .filter(existsSync)
    .map((folder) => `-I${folder}`)
  const asm = join(system, multiarch[arch])
  if (existsSync(asm)) include.push('-idirafter', asm)
  // Version 3 of the instruction set works since Linux 5.1. The types of newer kernels have unnamed struct members,
  // a Microsoft extension. Paths of source lines in BTF are relative to the root of the repository.
  const flags = ['-g', '-O2', '-Wall', '-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${targetArch[arch]}`]
  flags.push('-fms-extensions', '-Wno-microsoft-anon-tag', '-fdebug-compilation-dir=.')
  return run(clang, [...flags, ...include, '-c', source, '-o', object])
}
