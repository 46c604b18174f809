// A setup file (vitest.config.ts): each test file has to end with what it began with: this process's descriptors and mappings of BPF things,
// and its threads; in the kernel programs, maps, links and BTF.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { btfs, ids, maps, programs } from 'libbpf-node'
import { afterAll, beforeAll } from 'vitest'
import { slowness } from './slowness.js'
import { until } from './until.js'

const kinds = ['program', 'map', 'link', 'btf'] as const
const bpfFile = /^anon_inode:\[?(bpf|btf|perf_event)/

/** This process's descriptors of BPF things, as `fd 21 bpf-map`. */
export function bpfFds(): string[] {
  return listDir('/proc/self/fd').flatMap((fd) => {
    const target = readOr('', () => readlinkSync(`/proc/self/fd/${fd}`))
    return bpfFile.test(target) ? [`fd ${fd} ${target.slice('anon_inode:'.length)}`] : []
  })
}

/** Memory that it shares with the kernel: rings, sections, arrays, as `mapping 7f12a000 bpf-map`. */
function mappings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').matchAll(
    /^(\w+)-.* anon_inode:(\[?(?:bpf|perf_event).*)$/gm,
  )
  return [...lines].map(([, start, what]) => `mapping ${start} ${what}`)
}

/** Threads that are not to end with a test: ours that waits as long as the environment lives (binding/util/loop_thread.cc), a bundler's, and Deno's for files. */
const lasting = ['libbpf-node', 'rolldown-worker', 'deno']

/** Its other threads. */
function threads(): string[] {
  return listDir('/proc/self/task').flatMap((tid) => {
    const name = readOr('libbpf-node', () => readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim())
    return lasting.includes(name) ? [] : [`thread ${tid} ${name}`]
  })
}

/** All programs, maps, links and BTF of the kernel, as `map 17`. */
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
      for (const [, kind, id] of info.matchAll(/^(prog|map|link|btf)_id:\s*(\d+)$/gm)) {
        held.add(`${kind === 'prog' ? 'program' : kind} ${id}`)
      }
    }
  }
  return held
}

/**
 * BTF that is not to be named: programs and maps hold what they came with, so where one is left it is named itself; and the kernel loads modules
 * when they are needed, which stay.
 */
function btfInUse(): Set<string> {
  const modules = [...btfs()].filter(({ isKernel }) => isKernel).map(({ id }) => id)
  const held = [...programs(), ...maps()].map(({ btfId }) => btfId)
  return new Set([...modules, ...held].map((id) => `btf ${id}`))
}

const own = () => [bpfFds(), mappings(), threads()]
let ownBefore: string[][] = []
let idsBefore: string[] = []

function left(): string[] {
  const ours = own().flatMap((now, i) => {
    const before = ownBefore[i] ?? []
    return now.length === before.length ? [] : now.filter((what) => !before.includes(what))
  })
  const made = kernelIds().filter((id) => !idsBefore.includes(id))
  const others = made.length > 0 ? new Set([...heldByOthers(), ...btfInUse()]) : new Set()
  return [...ours, ...made.filter((id) => !others.has(id))]
}

beforeAll(async () => {
  // libuv starts the threads of its pool when there is work for the first time.
  await Promise.all(Array.from({ length: 8 }, () => stat('/')))
  ownBefore = own()
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
