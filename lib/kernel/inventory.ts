// Lists what is in the kernel, no matter which process loaded it.
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
import { type Kind, listIds } from './ids.js'

/** A process that has a descriptor of a program, map, link or BTF object. */
export interface Holder {
  readonly pid: number
  /** The name of the process, at most 15 characters. */
  readonly comm: string
}

/** Options for {@link listPrograms}, {@link listMaps}, {@link listLinks} and {@link listBtfs}. */
export interface ListOptions {
  /**
   * Also find the processes that hold each one. This reads the descriptors of all processes in /proc, which takes a
   * while.
   */
  holders?: boolean
}

/** What the option {@link ListOptions.holders} adds. */
export interface Held {
  /**
   * The processes that hold it. Processes in other PID namespaces are not found. Something that is only pinned or
   * attached has no holder.
   */
  readonly holders?: readonly Holder[]
}

/**
 * What the kernel reports about any program, given its id. (`bpf_prog_get_info_by_fd`, Linux 4.13; requires
 * CAP_SYS_ADMIN)
 */
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

/**
 * What the kernel reports about any map, given its id. (`bpf_map_get_info_by_fd`, Linux 4.13; requires CAP_SYS_ADMIN)
 */
export function mapInfo(id: number): MapInfo {
  using map = BpfMap.fromId(id)
  return map.info()
}

/**
 * What the kernel reports about any link, given its id. (`bpf_link_get_info_by_fd`, Linux 5.8; requires CAP_SYS_ADMIN)
 */
export function linkInfo(id: number): LinkInfo {
  using link = Link.fromId(id)
  return link.info()
}

/**
 * Lists all programs in the kernel, including those of other processes, lowest id first. Programs that disappear while
 * you iterate are skipped. (Linux 4.13; requires CAP_SYS_ADMIN)
 *
 * @example
 * for (const { id, name, type } of listPrograms()) console.log(id, type, name)
 */
export function listPrograms(options?: ListOptions): Generator<ProgramInfo & Held, undefined> {
  return list('program', programInfo, options)
}

/** Lists all maps in the kernel, like {@link listPrograms}. (Linux 4.13; requires CAP_SYS_ADMIN) */
export function listMaps(options?: ListOptions): Generator<MapInfo & Held, undefined> {
  return list('map', mapInfo, options)
}

/** Lists all links in the kernel, like {@link listPrograms}. (Linux 5.8; requires CAP_SYS_ADMIN) */
export function listLinks(options?: ListOptions): Generator<LinkInfo & Held, undefined> {
  return list('link', linkInfo, options)
}

/**
 * Lists all BTF in the kernel, like {@link listPrograms}: its own, that of modules, programs and maps. (Linux 4.18;
 * requires CAP_SYS_ADMIN)
 */
export function listBtfs(options?: ListOptions): Generator<BtfInfo & Held, undefined> {
  return list('btf', Btf.info, options)
}

function* list<T extends { id: number }>(
  kind: Kind,
  info: (id: number) => T,
  { holders = false }: ListOptions = {},
): Generator<T & Held, undefined> {
  const held = holders ? findHolders() : undefined
  for (const id of listIds(kind)) {
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

/** Finds the processes with descriptors. The keys look like `map 17`. */
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

/** Which object a descriptor refers to, as `map 17`. @internal */
export function heldBy(target: string, fdinfo: string): string | undefined {
  // The fdinfo of a link also has the id of its program, which this process does not hold.
  const [, kind, id] =
    (/link/.test(target) ? /^(link)_id:\s*(\d+)$/m : /^(prog|map|btf)_id:\s*(\d+)$/m).exec(fdinfo) ?? []
  return kind && `${kindOf[kind]} ${id}`
}

function namesIn(folder: string): string[] {
  return readOr([], () => readdirSync(folder))
}

/** A process can end in the meantime, or be hidden from us. */
function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read()
  } catch {
    return fallback
  }
}

/**
 * Makes the kernel count the runs of all programs and their duration until you call `close()` on the result: see
 * {@link ProgramInfo.runCount} and {@link ProgramInfo.runTimeNs}. This costs a few nanoseconds per run.
 * (`bpf_enable_stats`, Linux 5.8; requires CAP_SYS_ADMIN)
 */
export function enableStats(): Disposable & { close(): void } {
  const fd = attempt({ what: 'enable statistics', capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
    native.enableStats(0),
  )
  let isOpen = true
  const close = (): void => {
    if (isOpen) native.descriptorClose(fd)
    isOpen = false
  }
  return { close, [Symbol.dispose]: close }
}
