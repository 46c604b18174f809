import type { Container } from './container.js'
import { findFile, type OpenedFile } from './find-file.js'
import { imageMatcher, wildcards } from './wildcards.js'

/** Which programs or libraries {@link Containers.follow} attaches to. */
export interface FollowOptions {
  /**
   * A path in the file systems of the processes, or a name such as `nginx` or `libssl.so.3`. A name stands for what a
   * process runs or has mapped, or for what is found where distributions put programs and libraries.
   */
  readonly binary: string
  /** The path of a cgroup, with everything below it. `*` stands for any text without a slash. By default all. */
  readonly cgroup?: string
  /**
   * The image of a container, with or without its registry and tag, such as `nginx` or `registry.example/shop/*`. `*`
   * stands for any text. With this option, only containers whose image is known are considered.
   */
  readonly image?: string
  /** How many seconds after the end of a process to check whether others still have its files; 2 by default. */
  readonly linger?: number
}

/** A file that probes are to be attached to. */
export interface FollowedFile {
  /**
   * A path for `attachUprobe` and similar methods. It is valid until your function has returned or its promise has
   * settled.
   */
  readonly path: string
  /** The path of the file in the container. */
  readonly binary: string
  /** The first process that had the file. */
  readonly pid: number
  /** The container, or the unit, of that process. */
  readonly container: Container
}

/** Returns what is to be closed when no process has the file any more. */
export type FollowAttach = (file: FollowedFile) => Attached | Promise<Attached>
type Attached = Disposable | readonly Disposable[]

/** What is known about the machine. */
export interface Machine {
  readonly proc: string
  get(id: bigint): Container | undefined
  ids(): Iterable<bigint>
  settled(): Promise<void>
  processes(id: bigint): Promise<number[]>
}

/** What a {@link Follow} asks for. */
export interface FollowHost extends Machine {
  /** Tell it when processes of the cgroup end. */
  watch(cgroup: bigint): void
  unwatch(cgroup: bigint): void
  closed(): void
}

interface File {
  readonly place: string
  readonly cgroups: Set<bigint>
  attached: readonly Disposable[]
  error?: Error
  isGone?: boolean
}

/**
 * Milliseconds until the name of a container is looked up again, and the number of attempts. It takes 20 s in the end.
 */
const nameDelay = 100
const nameAttempts = 8

/** Probes that follow containers, made by {@link Containers.follow}. */
export class Follow implements Disposable {
  readonly #host: FollowHost
  readonly #attach: FollowAttach
  readonly #binary: string
  readonly #linger: number
  readonly #isCgroup: (path: string) => boolean
  readonly #isImage: ((image: string) => boolean) | undefined
  readonly #files = new Map<string, File>()
  /** Cgroups that will be looked at again. */
  readonly #later = new Map<bigint, NodeJS.Timeout>()
  readonly #attempts = new Map<bigint, number>()
  readonly #pending = new Set<Promise<void>>()
  #closed = false

  /** @internal */
  constructor(
    { binary, cgroup = '/', image, linger = 2 }: FollowOptions,
    attach: FollowAttach,
    host: FollowHost,
  ) {
    if (typeof binary !== 'string' || binary === '') throw new TypeError('binary is not the name of a file')
    if (!(linger >= 0)) throw new RangeError(`linger is not a number of seconds: ${linger}`)
    this.#binary = binary
    this.#attach = attach
    this.#host = host
    this.#linger = linger * 1000
    const root = wildcards(cgroup.replace(/^\/*/, '/').replace(/(.)\/+$/, '$1'), {
      without: '/',
      below: true,
    })
    this.#isCgroup = (path) => path === cgroup || cgroup === '/' || root.test(path)
    this.#isImage = image === undefined ? undefined : imageMatcher(image)
  }

  /** What it is attached to, or could not be attached to. */
  get files(): { binary: string; containers: Container[]; error?: Error }[] {
    return [...this.#files.values()].map(({ place, cgroups, error }) => ({
      binary: place,
      containers: [...cgroups].flatMap((id) => this.#host.get(id) ?? []),
      ...(error && { error }),
    }))
  }

  /** Waits until everything that has been found so far is attached. */
  async settled(): Promise<void> {
    await this.#host.settled()
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  /** Detaches everything, and stops following. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const timer of this.#later.values()) clearTimeout(timer)
    for (const file of this.#files.values()) this.#release(file)
    this.#files.clear()
    this.#host.closed()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Looks at all processes. @internal */
  async scan(): Promise<void> {
    for (const id of [...this.#host.ids()]) if (this.#wants(id) !== false) await this.#look(id)
  }

  /** @internal */
  appeared(cgroup: bigint): void {
    if (this.#wants(cgroup) !== false) void this.#look(cgroup)
  }

  /** A process runs a program. Returns whether the cgroup matters, now or later. @internal */
  started(pid: number, cgroup: bigint): boolean {
    const wanted = this.#wants(cgroup)
    if (wanted) this.#add(pid, cgroup)
    else if (wanted === undefined) this.#lookAgain(cgroup)
    return wanted ?? true
  }

  /** A process has ended. @internal */
  ended(cgroup: bigint): void {
    if (this.has(cgroup)) this.#lookLater(cgroup, this.#linger)
  }

  /** Whether it has attached to a file of the cgroup. @internal */
  has(cgroup: bigint): boolean {
    for (const { cgroups } of this.#files.values()) if (cgroups.has(cgroup)) return true
    return false
  }

  /** `undefined` if that is not known yet. */
  #wants(id: bigint): boolean | undefined {
    const container = this.#host.get(id)
    if (container === undefined) return undefined
    if (!this.#isCgroup(container.path)) return false
    if (this.#isImage === undefined) return true
    if (container.image === undefined) return container.containerId === undefined ? false : undefined
    return this.#isImage(container.image)
  }

  /** The kernel knows a container before the runtime has written down its name. */
  #lookAgain(cgroup: bigint): void {
    const attempts = this.#attempts.get(cgroup) ?? 0
    if (attempts >= nameAttempts || this.#later.has(cgroup)) return
    // Cgroups that never get a name would make it grow.
    if (this.#attempts.size >= 4096) this.#attempts.clear()
    this.#attempts.set(cgroup, attempts + 1)
    this.#lookLater(cgroup, nameDelay * 2 ** attempts)
  }

  #lookLater(cgroup: bigint, delay: number): void {
    if (this.#closed || this.#later.has(cgroup)) return
    const timer = setTimeout(() => {
      this.#later.delete(cgroup)
      void this.#look(cgroup)
    }, delay)
    this.#later.set(cgroup, timer.unref())
  }

  /** Finds out which files the processes of a cgroup have. */
  async #look(cgroup: bigint): Promise<void> {
    const wanted = this.#wants(cgroup)
    const pids = wanted === false ? [] : await this.#host.processes(cgroup)
    if (this.#closed) return
    if (wanted === undefined && pids.length > 0) return this.#lookAgain(cgroup)
    this.#attempts.delete(cgroup)
    const had = new Set(pids.map((pid) => this.#add(pid, cgroup)))
    for (const [identity, file] of this.#files)
      if (!had.has(file) && file.cgroups.delete(cgroup) && file.cgroups.size === 0) {
        this.#files.delete(identity)
        this.#release(file)
      }
    if (!this.has(cgroup)) this.#host.unwatch(cgroup)
  }

  /** Attaches to the file that a process has, if it is new. */
  #add(pid: number, cgroup: bigint): File | undefined {
    const found = findFile(this.#host.proc, pid, this.#binary)
    if (found === undefined) return undefined
    let file = this.#files.get(found.identity)
    if (file === undefined) {
      file = { place: found.place, cgroups: new Set(), attached: [] }
      this.#files.set(found.identity, file)
      const attaching = this.#attachTo(file, found, pid, cgroup).finally(() =>
        this.#pending.delete(attaching),
      )
      this.#pending.add(attaching)
    } else found[Symbol.dispose]()
    if (!file.cgroups.has(cgroup)) this.#host.watch(cgroup)
    file.cgroups.add(cgroup)
    return file
  }

  async #attachTo(file: File, found: OpenedFile, pid: number, cgroup: bigint): Promise<void> {
    try {
      const container = this.#host.get(cgroup) ?? { path: '' }
      const attached = await this.#attach({ path: found.path, binary: found.place, pid, container })
      file.attached = 'length' in attached ? attached : [attached]
      if (file.isGone) this.#release(file)
    } catch (error) {
      file.error = error as Error
    } finally {
      found[Symbol.dispose]()
    }
  }

  #release(file: File): void {
    file.isGone = true
    for (const one of file.attached) one[Symbol.dispose]()
    file.attached = []
  }
}
