// The BPF objects of real tools: those that BCC's libbpf-tools, as Debian compiled them, carry inside.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { complaint, openSuite } from '../debian.mjs'
import { run, say } from '../run.mjs'
import { cache } from './fetch.mjs'

const target = join(cache, 'tools')

/** Returns the folder of the objects, or undefined where they cannot be had. */
export async function fetchTools() {
  if (existsSync(target)) return target
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    for (const suite of ['bookworm', 'trixie']) {
      say(`kernels: fetching libbpf-tools from Debian ${suite}`)
      const { files, apt, update } = openSuite(join(work, suite), suite, 'deb')
      const got = apt('apt-get', 'download', 'libbpf-tools')
      if (got.status !== 0) {
        say(`  not from ${suite}: ${complaint(got) ?? complaint(update)}`)
        continue
      }
      for (const deb of readdirSync(files))
        await run('dpkg-deb', ['-x', join(files, deb), join(work, 'tree')])
      extract(join(work, 'tree/usr/sbin'), join(work, 'objects'))
      if (!existsSync(target)) renameSync(join(work, 'objects'), target)
      return target
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return undefined
}

function extract(programs, folder) {
  mkdirSync(folder)
  for (const name of readdirSync(programs)) {
    const object = embeddedObject(readFileSync(join(programs, name)))
    if (object) writeFileSync(join(folder, `${name}.bpf.o`), object)
  }
}

// A skeleton holds its object as bytes; the section headers are an ELF file's end.
function embeddedObject(program) {
  const bpf = 247
  for (let at = program.indexOf('\x7fELF', 1); at > 0; at = program.indexOf('\x7fELF', at + 1)) {
    const file = program.subarray(at)
    if (file.length < 64 || file.readUInt16LE(18) !== bpf) continue
    return file.subarray(0, Number(file.readBigUInt64LE(40)) + file.readUInt16LE(58) * file.readUInt16LE(60))
  }
  return undefined
}
