// What is in the kernel, whoever loaded it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Btf, type BtfInfo } from '../btf/btf.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { Link } from '../links/link.js'
import type { LinkInfo } from '../links/link-info.js'
import { BpfMap } from '../maps/map.js'
import type { MapInfo } from '../maps/types.js'
import { native } from '../native/binding.js'
import { programTypeName } from '../native/type-names.js'
import type { ProgramInfo } from '../programs/info.js'
import { ids, type Kind } from './ids.js'

/** A process that holds a descriptor of something. */
export interface Holder {
  readonly pid: number
  /** The first 15 characters of its name. */
  readonly comm: string
}

/** For `programs()` and its kin. */
export interface ListOptions {
  /** Whether to look which processes hold each: by all descriptors of all processes in /proc, which takes a while. */
  holders?: boolean
}

/** What {@link ListOptions.holders} adds; those in other PID namespaces are not seen, pinned things may have none. */
export interface Held {
  readonly holders?: readonly Holder[]
}

/** What the kernel says of a program. (`bpf_prog_get_info_by_fd`, Linux 4.13; CAP_SYS_ADMIN) */
export function programInfo(id: number): ProgramInfo {
  return attempt({ what: `read program ${id}`, capabilities: () => ['CAP_SYS_ADMIN'] }, () => {
    const fd = native.programFdById(id)
    try {
      const { type, ...rest } = native.programFdInfo(fd)
      return { ...rest, type: programTypeName(type) }
    } finally {
      native.descriptorClose(fd)
    }
  })
}

/** What the kernel says of a map. (`bpf_map_get_info_by_fd`, Linux 4.13; CAP_SYS_ADMIN) */
export function mapInfo(id: number): MapInfo {
  using map = BpfMap.fromId(id)
  return map.info()
}

/** What the kernel says of a link. (`bpf_link_get_info_by_fd`, Linux 5.8; CAP_SYS_ADMIN) */
export function linkInfo(id: number): LinkInfo {
  using link = Link.fromId(id)
  return link.info()
}

/** All programs in the kernel, lowest id first. What goes away meanwhile is left out. (Linux 4.13; CAP_SYS_ADMIN) */
export const programs = (options?: ListOptions): Generator<ProgramInfo & Held, undefined> =>
  list('program', programInfo, options)

/** All maps in the kernel. (Linux 4.13; CAP_SYS_ADMIN) */
export const maps = (options?: ListOptions): Generator<MapInfo & Held, undefined> =>
  list('map', mapInfo, options)

/** All links in the kernel. (Linux 5.8; CAP_SYS_ADMIN) */
export const links = (options?: ListOptions): Generator<LinkInfo & Held, undefined> =>
  list('link', linkInfo, options)

/** All BTF in the kernel: its own, of modules, and what came with programs and maps. (Linux 4.18; CAP_SYS_ADMIN) */
export const btfs = (options?: ListOptions): Generator<BtfInfo & Held, undefined> =>
  list('btf', Btf.info, options)

function* list<T extends { id: number }>(
  kind: Kind,
  info: (id: number) => T,
  { holders = false }: ListOptions = {},
): Generator<T & Held, undefined> {
  const held = holders ? findHolders() : undefined
  for (const id of ids(kind)) {
    let found: T
    try {
      found = info(id)
    } catch (error) {
      if (error instanceof BpfError && error.code === 'ENOENT') continue
      throw error
    }
    yield held === undefined ? found : { ...found, holders: held.get(`${kind} ${id}`) ?? [] }
  }
  return undefined
}

const kindOf: Readonly<Record<string, Kind>> = { prog: 'program', map: 'map', link: 'link', btf: 'btf' }

/** Who holds descriptors, by `map 17`. */
function findHolders(): Map<string, Holder[]> {
  const found = new Map<string, Holder[]>()
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    const holder = {
      pid: Number(pid),
      comm: readOr('', () => readFileSync(`/proc/${pid}/comm`, 'utf8')).trim(),
    }
    const own = new Set<string>()
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      const target = readOr('', () => readlinkSync(`/proc/${pid}/fd/${fd}`))
      if (!/^anon_inode:\[?(bpf|btf)/.test(target)) continue
      const text = readOr('', () => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
      const held = heldBy(target, text)
      if (held !== undefined) own.add(held)
    }
    for (const key of own) {
      const list = found.get(key) ?? []
      list.push(holder)
      found.set(key, list)
    }
  }
  return found
}

/** What a descriptor is of, by what it links to and what fdinfo says of it: `map 17`. @internal */
export function heldBy(target: string, fdinfo: string): string | undefined {
  // A link tells the program's id, too, which is not the link's holder's for that.
  const [, kind, id] =
    (/link/.test(target) ? /^(link)_id:\s*(\d+)$/m : /^(prog|map|btf)_id:\s*(\d+)$/m).exec(fdinfo) ?? []
  return kind && `${kindOf[kind]} ${id}`
}

function namesIn(folder: string): string[] {
  return readOr([], () => readdirSync(folder))
}

/** It may go while we look, or be hidden. */
function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read()
  } catch {
    return fallback
  }
}

/**
 * Has the kernel count how often programs run, and for how long, until it's closed: see `runCount` and `runTimeNs` in what it says of a program. That costs each
 * run some nanoseconds. (`bpf_enable_stats`, Linux 5.8; CAP_SYS_ADMIN)
 */
export function enableStats(): Disposable & { close(): void } {
  const fd = attempt({ what: 'switch statistics on', capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
    native.enableStats(0),
  )
  let isOpen = true
  const close = (): void => {
    if (isOpen) native.descriptorClose(fd)
    isOpen = false
  }
  return { close, [Symbol.dispose]: close }
}
