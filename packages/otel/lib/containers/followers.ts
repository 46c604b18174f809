import { readlinkSync } from 'node:fs'
import { Follow, type FollowAttach, type FollowOptions, type Machine } from './follow.js'
import { type ProcessListener, ProcessWatch } from './process-watch.js'

/** What the kernel calls its first PID namespace (PROC_PID_INIT_INO). */
const firstPidNamespace = 'pid:[4026531836]'

/** Everything that follows containers, with the programs in the kernel that it shares. */
export class Followers implements Disposable, ProcessListener {
  readonly #machine: Machine
  readonly #follows = new Set<Follow>()
  #watch: ProcessWatch | undefined

  static async open(machine: Machine): Promise<Followers> {
    const namespace = readlinkSync(`${machine.proc}/self/ns/pid`)
    if (namespace !== firstPidNamespace)
      throw new Error(
        'the processes of containers can only be followed with the PIDs of the host: hostPID: true in Kubernetes, --pid=host in Docker',
      )
    const followers = new Followers(machine)
    followers.#watch = await ProcessWatch.open(followers)
    return followers
  }

  private constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Begins to follow, and attaches to what runs. */
  async follow(options: FollowOptions, attach: FollowAttach): Promise<Follow> {
    const follow: Follow = new Follow(options, attach, {
      ...this.#machine,
      watch: (id) => this.#watch?.watch(id),
      unwatch: (id) => {
        if (![...this.#follows].some((one) => one.has(id))) this.#watch?.unwatch(id)
      },
      closed: () => this.#follows.delete(follow),
    })
    this.#follows.add(follow)
    this.#watch?.ignoreNone()
    await follow.scan()
    await follow.settled()
    return follow
  }

  /** A cgroup has become known. Processes may have moved into it before. */
  appeared(cgroup: bigint): void {
    for (const follow of this.#follows) follow.appeared(cgroup)
  }

  started(pid: number, cgroup: bigint): void {
    const matters = [...this.#follows].map((follow) => follow.started(pid, cgroup))
    if (!matters.includes(true)) this.#watch?.ignore(cgroup)
  }

  ended(cgroup: bigint): void {
    for (const follow of this.#follows) follow.ended(cgroup)
  }

  lost(): void {
    for (const follow of this.#follows) void follow.scan()
  }

  [Symbol.dispose](): void {
    for (const follow of this.#follows) follow.close()
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
  }
}
