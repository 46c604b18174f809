// Finds what a test file leaves behind: descriptors, mappings and threads of this process, and BPF objects in the
// kernel. Other processes use BPF at the same time, so an object counts only if it stays and no other process
// accounts for it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { btfs, ids, maps, programs } from 'libbpf-node'
import { until } from './until.js'

const kinds = ['program', 'map', 'link', 'btf'] as const
const bpfFile = /^anon_inode:\[?(bpf|btf|perf_event)/

/** What exists at one moment. */
export interface Snapshot {
  /** A list for each kind of thing that this process owns. */
  readonly own: readonly (readonly string[])[]
  /** Every BPF object in the kernel, as `map 17`. */
  readonly kernel: ReadonlySet<string>
}

export const takeSnapshot = (): Snapshot => ({
  own: [bpfFds(), mappings(), threads()],
  kernel: new Set(kernelIds()),
})

/**
 * Waits until nothing made since `before` is left, and returns what still exists after `seconds`. The kernel frees
 * objects after an RCU grace period; on a busy machine that takes seconds for programs with trampolines.
 *
 * @param where - what this process owns, the objects in the kernel that no process holds, or both
 */
export async function leftBehind(
  before: Snapshot,
  seconds: number,
  where: 'process' | 'kernel' | 'both' = 'both',
): Promise<string[]> {
  // Objects that appear from now on belong to others: the test is over.
  let suspects = new Set(where === 'process' ? [] : kernelIds().filter((id) => !before.kernel.has(id)))
  const left = (): string[] => {
    const now = new Set(kernelIds())
    suspects = new Set([...suspects].filter((id) => now.has(id)))
    if (suspects.size > 0) {
      for (const id of [...heldByOthers(), ...btfInUse(), ...programArrays()]) suspects.delete(id)
    }
    return where === 'kernel' ? [...suspects] : [...ownSince(before), ...suspects]
  }
  await until('nothing is left', () => left().length === 0, { seconds }).catch(() => undefined)
  return left()
}

/**
 * Maps of the type prog_array, as `map 17`. The kernel clears them in the background after the last user is gone, and now
 * and then keeps an empty one that nobody holds.
 */
function programArrays(): string[] {
  return [...maps()].filter(({ type }) => type === 'prog_array').map(({ id }) => `map ${id}`)
}

function ownSince(before: Snapshot): string[] {
  return takeSnapshot().own.flatMap((now, i) => {
    const earlier = before.own[i] ?? []
    // Threads and mappings may be replaced by others of their kind.
    return now.length === earlier.length ? [] : now.filter((what) => !earlier.includes(what))
  })
}

/** This process's descriptors of BPF objects and perf events, as `fd 21 bpf-map`. */
function bpfFds(): string[] {
  return listDir('/proc/self/fd').flatMap((fd) => {
    const target = readOr('', () => readlinkSync(`/proc/self/fd/${fd}`))
    return bpfFile.test(target) ? [`fd ${fd} ${target.slice('anon_inode:'.length)}`] : []
  })
}

/** Memory that this process shares with the kernel (rings, sections, arrays), as `mapping 7f12a000 bpf-map`. */
function mappings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').matchAll(
    /^(\w+)-.* anon_inode:(\[?(?:bpf|perf_event).*)$/gm,
  )
  return [...lines].map(([, start, what]) => `mapping ${start} ${what}`)
}

/** Threads that outlive a test: our loop thread (binding/util/loop_thread.cc), a bundler's, and Deno's file threads. */
const lasting = ['libbpf-node', 'rolldown-worker', 'deno']

function threads(): string[] {
  return listDir('/proc/self/task').flatMap((tid) => {
    const name = readOr('libbpf-node', () => readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim())
    return lasting.includes(name) ? [] : [`thread ${tid} ${name}`]
  })
}

function kernelIds(): string[] {
  return kinds.flatMap((kind) => [...ids(kind)].map((id) => `${kind} ${id}`))
}

/** The objects that other processes hold descriptors of, and those that these objects use. */
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
  for (const { id, mapIds } of programs()) {
    if (held.has(`program ${id}`)) for (const map of mapIds) held.add(`map ${map}`)
  }
  return held
}

/**
 * BTF that is not reported itself: that of programs and maps, which are reported instead, and that of kernel modules,
 * which the kernel loads on demand and keeps.
 */
function btfInUse(): Set<string> {
  const modules = [...btfs()].filter(({ isKernel }) => isKernel).map(({ id }) => id)
  const held = [...programs(), ...maps()].map(({ btfId }) => btfId)
  return new Set([...modules, ...held].map((id) => `btf ${id}`))
}

/** Reads something that may disappear while we look. */
function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read()
  } catch {
    return fallback
  }
}

function listDir(path: string): string[] {
  return readOr([], () => readdirSync(path))
}
