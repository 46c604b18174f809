import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface CgroupTreeOptions {
  /** Where the hierarchy is mounted. */
  readonly root: string
  /** Seconds that a cgroup is remembered after it was removed. */
  readonly keep: number
  /** Called when a cgroup has become known. */
  readonly added?: (id: bigint) => void
}

interface Cgroup {
  readonly path: string
  watcher: FSWatcher | undefined
  removedAt?: number
}

/**
 * The paths of all cgroups by their ids. A cgroup's id is the number of its folder's inode, which is what
 * `bpf_get_current_cgroup_id` returns. The kernel tells about new and removed folders (inotify), and removed ones are
 * remembered for a while, because their events arrive late.
 */
export class CgroupTree implements Disposable {
  readonly #options: CgroupTreeOptions
  readonly #byId = new Map<bigint, Cgroup>()
  readonly #idOf = new Map<string, bigint>()
  #closed = false
  #pending: Promise<void> = Promise.resolve()

  constructor(options: CgroupTreeOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byId.size
  }

  /** Reads the tree and begins to watch it. */
  async open(): Promise<void> {
    await this.#add('/')
  }

  /** The path below the root; '/' is the root itself. */
  pathOf(id: bigint): string | undefined {
    return this.#byId.get(id)?.path
  }

  idOf(path: string): bigint | undefined {
    return this.#idOf.get(path)
  }

  /** The ids of all cgroups, those that were removed included. */
  ids(): Iterable<bigint> {
    return this.#byId.keys()
  }

  /** The ids of the processes in a cgroup, without those below it; none if it was removed. */
  async processes(id: bigint): Promise<number[]> {
    const cgroup = this.#byId.get(id)
    if (cgroup === undefined || cgroup.removedAt !== undefined) return []
    const text = await readFile(join(this.#options.root, cgroup.path, 'cgroup.procs'), 'utf8').catch(() => '')
    // The kernel writes 0 for processes of other PID namespaces.
    return text.split('\n').map(Number).filter(Boolean)
  }

  /** Waits until the changes are read that the kernel has told about. */
  settled(): Promise<void> {
    return this.#pending
  }

  close(): void {
    this.#closed = true
    for (const { watcher } of this.#byId.values()) watcher?.close()
    this.#byId.clear()
    this.#idOf.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #add(path: string): Promise<void> {
    const folder = join(this.#options.root, path)
    let id: bigint
    try {
      id = (await stat(folder, { bigint: true })).ino
    } catch {
      return
    }
    if (this.#closed || this.#idOf.get(path) === id) return
    const cgroup: Cgroup = { path, watcher: undefined }
    this.#byId.set(id, cgroup)
    this.#idOf.set(path, id)
    this.#options.added?.(id)
    try {
      // Watched before it is listed, so that nothing appears in between.
      cgroup.watcher = watch(folder, { persistent: false }, (kind, name) => {
        if (kind === 'rename' && name !== null) this.#changed(join(path, name))
      })
      cgroup.watcher.on('error', () => cgroup.watcher?.close())
      for (const entry of await readdir(folder, { withFileTypes: true }))
        if (entry.isDirectory()) await this.#add(join(path, entry.name))
    } catch {
      // Removed in the meantime, or there are too many watches: those that exist are known.
    }
  }

  #changed(path: string): void {
    this.#pending = this.#pending.then(async () => {
      if (this.#closed) return
      const id = this.#idOf.get(path)
      const now = await stat(join(this.#options.root, path), { bigint: true }).catch(() => undefined)
      if (this.#closed) return
      if (id !== undefined && now?.ino !== id) this.#remove(path, id)
      if (now?.isDirectory()) await this.#add(path)
      this.#forget()
    })
  }

  #remove(path: string, id: bigint): void {
    this.#idOf.delete(path)
    const cgroup = this.#byId.get(id)!
    cgroup.watcher?.close()
    cgroup.removedAt = Date.now()
  }

  #forget(): void {
    const before = Date.now() - this.#options.keep * 1000
    for (const [id, { removedAt }] of this.#byId)
      if (removedAt !== undefined && removedAt < before) this.#byId.delete(id)
  }
}
