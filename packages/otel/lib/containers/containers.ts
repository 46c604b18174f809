import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupOwner, parseCgroupPath } from './cgroup-path.js'
import { CgroupTree } from './cgroup-tree.js'
import type { Container } from './container.js'
import type { Follow, FollowAttach, FollowOptions } from './follow.js'
import type { Followers } from './followers.js'
import type { KubeletOptions } from './kubelet.js'
import { type ContainerNames, defaultSources, namesFromFiles } from './names.js'

export interface ContainersOptions {
  /** The root of the host's files, if it is mounted elsewhere: `/host` in a container. */
  readonly host?: string
  /** Where the hierarchy of cgroup version 2 is mounted; by default it is found automatically. */
  readonly cgroups?: string
  /** Seconds that a container is remembered after it has ended; 300 by default. */
  readonly keep?: number
  /** The socket of the runtime's API (CRI) that names are read from: `/run/containerd/containerd.sock`, `/run/crio/crio.sock`. */
  readonly cri?: string
  /** How to reach kubelet to read names from it. */
  readonly kubelet?: KubeletOptions
  /** Called when names cannot be read, and when they can be read again. */
  readonly report?: (message: string) => void
}

interface NameSource {
  readonly what: string
  read(): Promise<Map<string, ContainerNames>>
  failed?: boolean
}

/** Names are read at most this often, in milliseconds, however many containers start. */
const namesInterval = 1000

/**
 * Milliseconds until the name of a new container is read, which double with each attempt, and the number of attempts. A
 * runtime writes it down before or after it has made the cgroup, and kubelet tells it some seconds later. It takes 50 s
 * in the end.
 */
const newNameDelay = 100
const newNameAttempts = 9
/** Milliseconds until a name that nobody knew is looked for again. */
const unknownDelay = 300_000

/**
 * Tells which container, pod or unit a cgroup belongs to, given the id that BPF programs get from
 * `bpf_get_current_cgroup_id`. It watches the tree of cgroups and remembers those that were removed, so that events
 * that arrive after a container has ended are still attributed to it. (cgroup version 2)
 *
 * Names of pods and containers come from the files of kubelet, Docker and Podman on the host, if they can be read, and
 * from the APIs of the runtime (`cri`) and of kubelet. They are read when a container starts, so that one that has ended
 * before its events arrive has a name, too.
 *
 * @example
 * using containers = await Containers.open()
 * containers.get(event.cgroup)?.pod
 */
export class Containers implements Disposable {
  readonly #tree: CgroupTree
  readonly #proc: string
  readonly #keep: number
  readonly #owners = new Map<string, CgroupOwner>()
  readonly #names = new Map<string, ContainerNames & { seen: number }>()
  readonly #sources: NameSource[] = []
  readonly #report: (message: string) => void
  /** Containers whose names are not known yet, with the number of attempts. */
  readonly #nameless = new Map<string, number>()
  /** When the search for the name of a container was given up. */
  readonly #unknown = new Map<string, number>()
  #namesTimer: NodeJS.Timeout | undefined
  #isOpen = false
  #namesRead = 0
  #reading: Promise<void> | undefined
  #followers: Promise<Followers> | undefined
  #opened: Followers | undefined

  /** Reads the tree of cgroups and the names of the containers, and begins to watch. */
  static async open(options: ContainersOptions = {}): Promise<Containers> {
    const { host = '/', cgroups = findCgroups(host), keep = 300 } = options
    const containers = new Containers(cgroups, host, keep, options)
    await containers.#tree.open()
    await containers.#readNames()
    containers.#isOpen = true
    return containers
  }

  private constructor(root: string, host: string, keep: number, options: ContainersOptions) {
    this.#tree = new CgroupTree({ root, keep, added: (id) => this.#appeared(id) })
    this.#report = options.report ?? (() => {})
    const { cri, kubelet } = options
    this.#sources.push({ what: 'files', read: () => namesFromFiles(defaultSources(host)) })
    // What is not used is not loaded: HTTP/2 takes 7 MB.
    if (cri !== undefined)
      this.#sources.push({ what: cri, read: async () => (await import('./cri.js')).namesFromCri(cri) })
    if (kubelet !== undefined)
      this.#sources.push({
        what: 'kubelet',
        read: async () => (await import('./kubelet.js')).namesFromKubelet(kubelet),
      })
    const proc = join(host, 'proc')
    this.#proc = existsSync(join(proc, 'self')) ? proc : '/proc'
    this.#keep = keep
  }

  /** How many cgroups are known. */
  get size(): number {
    return this.#tree.size
  }

  /** What the cgroup belongs to; `undefined` if there is no cgroup with this id, or it was removed too long ago. */
  get(id: bigint): Container | undefined {
    const path = this.#tree.pathOf(id)
    if (path === undefined) return undefined
    const owner = this.#ownerOf(path)
    const { containerId, podUid } = owner
    const names = this.#names.get(containerId ?? podUid ?? '') ?? this.#names.get(podUid ?? '')
    // The runtime writes the name down after it has made the cgroup.
    if (names === undefined && containerId !== undefined) this.#expectName(containerId)
    const { seen: _, ...known } = names ?? { seen: 0 }
    return { ...owner, ...known }
  }

  /** All cgroups that are known. */
  *[Symbol.iterator](): Generator<Container> {
    for (const id of this.#tree.ids()) {
      const container = this.get(id)
      if (container !== undefined) yield container
    }
  }

  /** Waits until everything that has happened so far is known. */
  async settled(): Promise<void> {
    await this.#tree.settled()
    await this.#readNames()
  }

  /**
   * Attaches probes to a program or library in all containers, or in those that you choose: in those that run, and in
   * those that start later. The kernel tells when a process starts a program; nothing is polled. A file that several
   * containers share is attached to once. It is detached when the last process that had it has ended.
   *
   * Files are found through `/proc/PID/root`, so it needs CAP_SYS_PTRACE (or root) and the PIDs of the host, and
   * CAP_BPF and CAP_PERFMON for the programs that watch the processes. (Linux 5.8)
   *
   * @param attach - attaches what you want to a file, and returns what is to be closed when no process has the file any
   *   more. If it throws, {@link Follow.files} has the error, and the other files are not affected.
   * @throws BpfError if processes cannot be watched; Error outside the host's PID namespace
   *
   * @example
   * const follow = await containers.follow({ binary: 'libssl.so.3', image: 'nginx*' }, ({ path }) =>
   *   obj.program('on_write').attachUprobe(path, { symbol: 'SSL_write' }),
   * )
   */
  async follow(options: FollowOptions, attach: FollowAttach): Promise<Follow> {
    // Loaded only by those who use it: this module has no native code otherwise.
    this.#followers ??= import('./followers.js').then(({ Followers }) =>
      Followers.open({
        proc: this.#proc,
        get: (id) => this.get(id),
        ids: () => this.#tree.ids(),
        settled: () => this.#tree.settled(),
        processes: (id) => this.#tree.processes(id),
      }),
    )
    this.#opened = await this.#followers.catch((error: unknown) => {
      this.#followers = undefined
      throw error
    })
    return this.#opened.follow(options, attach)
  }

  /** Forgets everything, and detaches what {@link follow} attached. */
  close(): void {
    this.#isOpen = false
    clearTimeout(this.#namesTimer)
    void this.#followers?.then(
      (followers) => followers[Symbol.dispose](),
      () => {},
    )
    this.#tree.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #ownerOf(path: string): CgroupOwner {
    let owner = this.#owners.get(path)
    if (owner === undefined) {
      // Paths of containers do not come back, so this would grow.
      if (this.#owners.size >= 4 * Math.max(256, this.#tree.size)) this.#owners.clear()
      owner = parseCgroupPath(path)
      this.#owners.set(path, owner)
    }
    return owner
  }

  #appeared(id: bigint): void {
    if (!this.#isOpen) return
    const { containerId } = this.#ownerOf(this.#tree.pathOf(id)!)
    if (containerId !== undefined && !this.#names.has(containerId)) this.#expectName(containerId)
    this.#opened?.appeared(id)
  }

  /** Looks for the name of a container until it is known, or nobody seems to know it. */
  #expectName(id: string): void {
    if (this.#nameless.has(id) || Date.now() - (this.#unknown.get(id) ?? 0) < unknownDelay) return
    this.#nameless.set(id, 0)
    this.#readNamesLater(newNameDelay)
  }

  #readNamesLater(delay: number): void {
    const notBefore = this.#namesRead + namesInterval - Date.now()
    this.#namesTimer ??= setTimeout(
      async () => {
        await this.#readNames()
        this.#namesTimer = undefined
        for (const [id, attempts] of this.#nameless) {
          const isKnown = this.#names.has(id)
          if (!isKnown && attempts + 1 < newNameAttempts) {
            this.#nameless.set(id, attempts + 1)
            continue
          }
          this.#nameless.delete(id)
          // Their ids do not come back.
          if (this.#unknown.size >= 4096) this.#unknown.clear()
          if (!isKnown) this.#unknown.set(id, Date.now())
        }
        if (this.#nameless.size > 0 && this.#isOpen)
          this.#readNamesLater(newNameDelay * 2 ** Math.min(...this.#nameless.values()))
      },
      Math.max(delay, notBefore),
    ).unref()
  }

  #readNames(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading
    this.#reading = this.#askSources().then(() => {
      this.#reading = undefined
      for (const [id, { seen }] of this.#names)
        if (seen < this.#namesRead - this.#keep * 1000) this.#names.delete(id)
    })
    return this.#reading
  }

  /** Later sources know more than earlier ones. */
  async #askSources(): Promise<void> {
    const found = await Promise.all(this.#sources.map((source) => this.#ask(source)))
    this.#namesRead = Date.now()
    for (const [id, names] of found.flatMap((names) => [...names]))
      this.#names.set(id, { ...this.#names.get(id), ...names, seen: this.#namesRead })
  }

  async #ask(source: NameSource): Promise<Map<string, ContainerNames>> {
    try {
      const names = await source.read()
      if (source.failed) this.#report(`${source.what}: names of containers can be read again`)
      source.failed = false
      return names
    } catch (error) {
      if (!source.failed) this.#report(`${source.what}: ${(error as Error).message}`)
      source.failed = true
      return new Map()
    }
  }
}

/** Where cgroup version 2 is mounted: alone, or beside version 1. */
function findCgroups(host: string): string {
  const places = ['sys/fs/cgroup', 'sys/fs/cgroup/unified'].map((place) => join(host, place))
  const found = places.find((place) => existsSync(join(place, 'cgroup.controllers')))
  if (found === undefined)
    throw new Error(`cgroup version 2 is mounted neither at ${places.join(' nor at ')}`)
  return found
}
