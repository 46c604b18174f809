// A setup file (vitest.config.ts): each test file has to end with what it began with: BPF descriptors of this process, and programs,
// maps and links in the kernel.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { ids } from 'libbpf-node'
import { afterAll, beforeAll } from 'vitest'
import { slowness } from './slowness.js'
import { until } from './until.js'

const kinds = ['program', 'map', 'link'] as const
const bpfFile = /^anon_inode:\[?(bpf|btf|perf_event)/

/** This process's descriptors of BPF things, as `fd 21 bpf-map`. */
export function bpfFds(): string[] {
  return listDir('/proc/self/fd').flatMap((fd) => {
    const target = readOr('', () => readlinkSync(`/proc/self/fd/${fd}`))
    return bpfFile.test(target) ? [`fd ${fd} ${target.slice('anon_inode:'.length)}`] : []
  })
}

/** All programs, maps and links of the kernel, as `map 17`. */
function kernelIds(): string[] {
  return kinds.flatMap((kind) => [...ids(kind)].map((id) => `${kind} ${id}`))
}

/** Those that other processes hold descriptors of: they come and go as they like. */
function heldByOthers(): Set<string> {
  const held = new Set<string>()
  for (const pid of listDir('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    for (const fd of listDir(`/proc/${pid}/fd`)) {
      if (!bpfFile.test(readOr('', () => readlinkSync(`/proc/${pid}/fd/${fd}`)))) continue
      const info = readOr('', () => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
      for (const [, kind, id] of info.matchAll(/^(prog|map|link)_id:\s*(\d+)$/gm)) {
        held.add(`${kind === 'prog' ? 'program' : kind} ${id}`)
      }
    }
  }
  return held
}

let fdsBefore: string[] = []
let idsBefore: string[] = []

function left(): string[] {
  const fds = bpfFds()
  const ours = fds.length === fdsBefore.length ? [] : fds.filter((fd) => !fdsBefore.includes(fd))
  const made = kernelIds().filter((id) => !idsBefore.includes(id))
  const others = made.length > 0 ? heldByOthers() : new Set()
  return [...ours, ...made.filter((id) => !others.has(id))]
}

beforeAll(() => {
  fdsBefore = bpfFds()
  idsBefore = kernelIds()
})

afterAll(async () => {
  // The kernel frees after a grace period of RCU, which takes seconds for what has trampolines on a busy machine.
  await until('nothing is left', () => left().length === 0, { seconds: 20 }).catch(() => {
    const rest = left()
    if (rest.length > 0) throw new Error(`the tests of this file left behind: ${rest.join(', ')}`)
  })
}, 30_000 * slowness)

function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read()
  } catch {
    // It went while we looked.
    return fallback
  }
}

function listDir(path: string): string[] {
  return readOr([], () => readdirSync(path))
}
