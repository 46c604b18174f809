import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupOwner, parseCgroupPath } from './cgroup-path.js'
import { CgroupTree } from './cgroup-tree.js'
import { type ContainerNames, defaultSources, readNames } from './names.js'

/** Whose cgroup it is: what its path says, with the names that are known. */
export type Container = CgroupOwner & ContainerNames

export interface ContainersOptions {
  /** The root of the host's files, if it is mounted elsewhere: `/host` in a container. */
  readonly host?: string
  /** Where the hierarchy of version 2 is mounted; by default it is looked for. */
  readonly cgroups?: string
  /** Seconds that a container is remembered after it has ended; 300 by default. */
  readonly keep?: number
}

/** Names are read at most this often, in milliseconds. */
const namesInterval = 1000

/**
 * Tells which container, pod or unit a cgroup belongs to, given the id that BPF programs get from
 * `bpf_get_current_cgroup_id`. It watches the tree of cgroups and remembers those that were removed, so that events
 * that arrive after a container has ended are still attributed to it. (cgroup version 2)
 *
 * Names of pods and containers come from the files of kubelet, Docker and Podman on the host, if they can be read.
 *
 * @example
 * using containers = await Containers.open()
 * containers.get(event.cgroup)?.pod
 */
export class Containers implements Disposable {
  readonly #tree: CgroupTree
  readonly #host: string
  readonly #keep: number
  readonly #owners = new Map<string, CgroupOwner>()
  readonly #names = new Map<string, ContainerNames & { seen: number }>()
  #namesRead = 0
  #reading: Promise<void> | undefined

  /** Reads the tree of cgroups and the names of the containers, and begins to watch. */
  static async open(options: ContainersOptions = {}): Promise<Containers> {
    const { host = '/', cgroups = findCgroups(host), keep = 300 } = options
    const containers = new Containers(new CgroupTree({ root: cgroups, keep }), host, keep)
    await containers.#tree.open()
    await containers.#readNames()
    return containers
  }

  private constructor(tree: CgroupTree, host: string, keep: number) {
    this.#tree = tree
    this.#host = host
    this.#keep = keep
  }

  /** How many cgroups are known. */
  get size(): number {
    return this.#tree.size
  }

  /** Whose cgroup it is; `undefined` if there is none with this id, or it was removed too long ago. */
  get(id: bigint): Container | undefined {
    const path = this.#tree.pathOf(id)
    if (path === undefined) return undefined
    const owner = this.#ownerOf(path)
    if (owner.containerId === undefined) return owner
    const names = this.#names.get(owner.containerId)
    // The runtime writes the name down after it has made the cgroup.
    if (names === undefined) void this.#readNames()
    const { seen: _, ...known } = names ?? { seen: 0 }
    return { ...owner, ...known }
  }

  /** Waits until everything is known that has happened until now. */
  async settled(): Promise<void> {
    await this.#tree.settled()
    this.#namesRead = 0
    await this.#readNames()
  }

  close(): void {
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

  #readNames(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading
    if (Date.now() - this.#namesRead < namesInterval) return Promise.resolve()
    this.#reading = readNames(defaultSources(this.#host)).then((found) => {
      this.#namesRead = Date.now()
      this.#reading = undefined
      for (const [id, names] of found) this.#names.set(id, { ...names, seen: this.#namesRead })
      for (const [id, { seen }] of this.#names)
        if (seen < this.#namesRead - this.#keep * 1000) this.#names.delete(id)
    })
    return this.#reading
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
