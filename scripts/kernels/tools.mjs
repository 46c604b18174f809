// Fetches Debian packages for guests, without installing them: the BPF objects of real tools, and a bpftool to
// compare with.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { complaint, openSuite } from '../debian.mjs'
import { run, say } from '../run.mjs'
import { cached } from './cache.mjs'

/**
 * Returns the folder of the BPF objects in BCC's libbpf-tools as Debian compiles them, or undefined if they cannot be
 * fetched.
 */
export const fetchTools = (machine) =>
  fetchPackage(
    machine === 'amd64' ? 'tools' : `tools-${machine}`,
    'libbpf-tools',
    ['bookworm', 'trixie'],
    (tree, folder) => extract(join(tree, 'usr/sbin'), folder),
    machine,
  )

/**
 * Returns the path of a bpftool with libbpf 1.5 or newer, because older ones misread how kernels since 6.8 refuse
 * helpers. Undefined if none can be fetched.
 */
export async function fetchBpftool() {
  const folder = await fetchPackage(
    'bpftool',
    'bpftool',
    ['bookworm-backports', 'trixie'],
    (tree, folder) => {
      mkdirSync(folder)
      copyFileSync(join(tree, 'usr/sbin/bpftool'), join(folder, 'bpftool'))
    },
  )
  const program = folder && join(folder, 'bpftool')
  return program && spawnSync(program, ['version']).status === 0 ? program : undefined
}

/** xdp-loader of both versions of libxdp's protocol, with what it needs. */
const xdpTools = {
  bookworm: ['xdp-tools', 'libxdp1', 'libbpf1', 'libelf1', 'zlib1g', 'libc6'],
  sid: ['xdp-tools', 'libxdp1', 'libbpf1', 'libelf1t64', 'libzstd1', 'zlib1g', 'libc6'],
}

/**
 * Returns a folder with a folder for each of two releases of Debian, which contains a program xdp-loader that runs with
 * libraries of its own. Undefined if one cannot be fetched.
 */
export function fetchXdpTools() {
  return cached('xdp-tools', async (work) => {
    const made = join(work, 'xdp-tools')
    for (const [suite, packages] of Object.entries(xdpTools)) {
      const tree = await unpack(work, suite, packages)
      if (tree === undefined) return undefined
      const folder = join(made, suite)
      for (const path of ['lib', 'usr/lib'].map((name) => join(tree, name, 'x86_64-linux-gnu')))
        if (existsSync(path)) cpSync(path, join(folder, 'lib'), { recursive: true, dereference: true })
      copyFileSync(join(tree, 'usr/sbin/xdp-loader'), join(folder, 'program'))
      const script = [
        '#!/bin/sh',
        'here=$(dirname "$0")',
        'export LIBXDP_OBJECT_PATH="$here/lib/bpf"',
        'exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/program" "$@"',
      ]
      writeFileSync(join(folder, 'xdp-loader'), `${script.join('\n')}\n`, { mode: 0o755 })
    }
    return made
  })
}

function fetchPackage(name, debian, suites, make, machine) {
  return cached(name, async (work) => {
    for (const suite of suites) {
      const tree = await unpack(work, suite, [debian], machine)
      if (tree === undefined) continue
      const made = join(work, name)
      make(tree, made)
      return made
    }
    return undefined
  })
}

async function unpack(work, suite, packages, machine) {
  say(`kernels: fetching ${packages[0]} from Debian ${suite}`)
  const { files, apt, update } = openSuite(join(work, suite), suite, 'deb', { machine })
  const got = apt('apt-get', 'download', ...packages)
  if (got.status !== 0) {
    say(`  not from ${suite}: ${complaint(got) ?? complaint(update)}`)
    return undefined
  }
  const tree = join(work, suite, 'tree')
  for (const deb of readdirSync(files)) await run('dpkg-deb', ['-x', join(files, deb), tree])
  return tree
}

function extract(programs, folder) {
  mkdirSync(folder)
  for (const name of readdirSync(programs)) {
    const object = embeddedObject(readFileSync(join(programs, name)))
    if (object) writeFileSync(join(folder, `${name}.bpf.o`), object)
  }
}

// A skeleton contains its object as bytes. An ELF file ends with its section headers.
function embeddedObject(program) {
  const bpf = 247
  for (let at = program.indexOf('\x7fELF', 1); at > 0; at = program.indexOf('\x7fELF', at + 1)) {
    const file = program.subarray(at)
    if (file.length < 64 || file.readUInt16LE(18) !== bpf) continue
    return file.subarray(0, Number(file.readBigUInt64LE(40)) + file.readUInt16LE(58) * file.readUInt16LE(60))
  }
  return undefined
}
