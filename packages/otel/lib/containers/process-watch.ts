import { fileURLToPath } from 'node:url'
import { BpfObject, type RingBuffer } from 'libbpf-node'

/** Gets notified about processes. */
export interface ProcessListener {
  /** A process runs another program. It may already have ended if that took no time. */
  started(pid: number, cgroup: bigint): void
  /** A process of a cgroup that is {@link ProcessWatch.watch | watched} has ended. */
  ended(cgroup: bigint): void
  /** Some notifications were lost. */
  lost(): void
}

interface Change {
  cgroup: bigint
  pid: number
  ended: number
}

const file = fileURLToPath(new URL('../../programs/processes.bpf.o', import.meta.url))

/** Tells about the processes of the whole machine, by programs in the kernel. (Linux 5.8) */
export class ProcessWatch implements Disposable {
  readonly #object: BpfObject
  readonly #changes: RingBuffer<Change>
  readonly #ignored
  readonly #watched
  #lost = 0n

  static async open(listener: ProcessListener): Promise<ProcessWatch> {
    const object = BpfObject.open(file)
    try {
      await object.load()
      return new ProcessWatch(object, listener)
    } catch (error) {
      object.close()
      throw error
    }
  }

  private constructor(object: BpfObject, listener: ProcessListener) {
    this.#object = object
    this.#ignored = object.map<bigint, number>('ignored')
    this.#watched = object.map<bigint, number>('watched')
    this.#changes = object.ringBuffer<Change>('changes', 'Change')
    const changes = this.#changes
    let isChecking = false
    const check = (): void => {
      isChecking = false
      if (changes.closed) return
      const { lost = 0n } = changes
      if (lost > this.#lost) listener.lost()
      this.#lost = lost
    }
    changes.on(({ cgroup, pid, ended }) => {
      if (ended) listener.ended(cgroup)
      else listener.started(pid, cgroup)
      // Once for all records of a turn. Where some were lost, others have arrived.
      if (!isChecking) setImmediate(check)
      isChecking = true
    })
    object.attach()
  }

  /** Stops notifying about a cgroup. */
  ignore(cgroup: bigint): void {
    this.#ignored.set(cgroup, 1)
  }

  /** Notifies about all cgroups again. */
  ignoreNone(): void {
    this.#ignored.clear()
  }

  /** Notifies when processes of a cgroup end. */
  watch(cgroup: bigint): void {
    this.#watched.set(cgroup, 1)
  }

  unwatch(cgroup: bigint): void {
    this.#watched.delete(cgroup)
  }

  [Symbol.dispose](): void {
    this.#changes.close()
    this.#object.close()
  }
}
