// A program of the configuration while it runs: an object with its links, metrics and events.
import type { Metric } from '@libbpf-node/otel'
import { BpfError, type BpfMap, BpfObject, type Link, type Program } from 'libbpf-node'
import type { ProgramSpec } from './config/load.js'
import type { ProgramContext } from './context.js'
import { EventFeed } from './event-feed.js'
import { Following, isFollowing } from './following.js'
import { setGlobals } from './globals.js'
import type { Failure, ProgramHealth } from './health.js'
import { type Fill, fillOf } from './map-pressure.js'
import { addMetrics } from './measuring.js'
import { Pins } from './pins.js'
import { findCgroup } from './places.js'
import type { Sheddable } from './shedding.js'
import { objectBytes } from './source.js'

/** Something that runs. It can be closed, and replaced by a new version of itself. */
export class RunningProgram implements Sheddable {
  readonly spec: ProgramSpec
  readonly #context: ProgramContext
  #failures: Failure[] = []
  readonly #feeds: EventFeed[] = []
  /** Links of an agent that has ended. */
  readonly #adopted: Link[] = []
  #metrics: Metric[] = []
  #object: BpfObject | undefined
  #pins: Pins | undefined
  #following: Following | undefined
  #attached = 0
  #isDetached = false

  constructor(spec: ProgramSpec, context: ProgramContext) {
    this.spec = spec
    this.#context = context
  }

  get health(): ProgramHealth {
    const failures = [...this.#failures, ...(this.#following?.failures ?? [])]
    if (this.#isDetached) return { status: 'detached', failures }
    // A program that follows containers may be waiting for the first of them.
    const runs = this.#object !== undefined && (this.#attached > 0 || this.#following !== undefined)
    if (!runs) return { status: 'failed', failures }
    return { status: failures.length === 0 ? 'running' : 'degraded', failures }
  }

  get object(): BpfObject | undefined {
    return this.#object
  }

  /** How many probes are attached in containers; `undefined` if it does not follow them. */
  get followed(): number | undefined {
    return this.#following?.links
  }

  get name(): string {
    return this.spec.name
  }

  /** How full its maps are. */
  async fill(): Promise<Fill[]> {
    return this.#object === undefined ? [] : fillOf(this.#object.maps.values(), this.#metrics)
  }

  /** Records that were lost because a ring was full. */
  get lost(): bigint {
    return this.#feeds.reduce((sum, { lost }) => sum + lost, 0n)
  }

  /** Records that an agent had read when it was killed. Only known if maps are pinned. */
  get lostByKill(): bigint {
    return this.#feeds.reduce((sum, { lostByKill }) => sum + lostByKill, 0n)
  }

  /** Loads and attaches what can be attached. What cannot is in {@link health}. */
  async start(): Promise<void> {
    this.#failures = []
    this.#attached = 0
    let stage: Failure['stage'] = 'open'
    try {
      const object = await this.#open()
      this.#object = object
      this.#usePins(object)
      stage = 'load'
      this.#leaveOutRefused(object)
      await object.load()
      stage = 'read'
      this.#readEvents(object)
      stage = 'attach'
      this.#attachAll(object)
      this.#following = await this.#follow(object)
      this.#pins?.sweep(object)
      stage = 'read'
      this.#metrics = addMetrics(object, this.spec.metrics ?? {}, this.#context)
    } catch (error) {
      this.#failures.push({ program: '', stage, reason: (error as Error).message })
      this.close()
    }
  }

  /**
   * Whether its BPF programs can sample: they then read from a map with this name how many events one event stands for.
   */
  get canSample(): boolean {
    return this.spec.shed !== false && this.#object?.maps.get('sample')?.maxEntries === 1
  }

  setSample(sample: number): void {
    this.#object?.map<number, number>('sample').set(0, sample)
  }

  get canDetach(): boolean {
    const isAttached = (this.#attached > 0 || this.#following !== undefined) && !this.#isDetached
    return this.spec.shed !== false && !this.canSample && isAttached && this.#context.isPrivileged()
  }

  /** Detaches its programs. What they have counted stays. */
  detach(): void {
    this.#letContainersGo()
    for (const link of [...(this.#object?.links ?? []), ...this.#adopted.splice(0)]) link.close()
    this.#pins?.removeLinks()
    this.#isDetached = true
  }

  async attachAgain(): Promise<void> {
    this.#isDetached = false
    // Programs of an agent that has ended were never loaded by this one.
    if (this.#pins !== undefined) {
      this.close()
      await this.start()
    } else if (this.#object !== undefined) {
      this.#failures = this.#failures.filter(({ stage }) => stage !== 'attach')
      this.#attached = 0
      this.#attachAll(this.#object)
      this.#following = await this.#follow(this.#object)
    }
  }

  /**
   * Starts in the place of an older version that runs. Its maps are taken over if they have the same layout, and no event is
   * lost. (See `BpfObject.replace`.)
   *
   * @throws BpfError if that is not possible; the older version then goes on
   */
  async startInPlaceOf(older: RunningProgram): Promise<void> {
    const before = older.#object
    if (before === undefined) throw new Error('the older version does not run')
    const object = await this.#open()
    const names: string[] = []
    try {
      this.#leaveOutRefused(object)
      for (const map of object.maps.values()) if (isSame(before.maps.get(map.name), map)) names.push(map.name)
      const { links, gone } = await before.replace(object, { maps: names })
      this.#attached = links.length
      for (const { program = '', target } of gone)
        this.#failures.push({ program, stage: 'attach', reason: `${target} is gone` })
    } catch (error) {
      object.close()
      throw error
    }
    this.#object = object
    older.#letMetricsGo()
    try {
      this.#readEvents(object, (map) => (names.includes(map) ? older.#releaseReader(map) : undefined))
      const replaced = new Set([...object.links].map(({ program }) => program))
      this.#attachAll(object, (program) => !replaced.has(program.name))
      this.#metrics = addMetrics(object, this.spec.metrics ?? {}, this.#context)
    } catch (error) {
      this.#failures.push({ program: '', stage: 'read', reason: (error as Error).message })
    }
    older.close()
  }

  /** Ends it. What is pinned keeps running, and its events wait in the kernel. */
  close(): void {
    this.#letMetricsGo()
    for (const feed of this.#feeds.splice(0)) feed.close()
    for (const link of this.#adopted.splice(0)) link.close()
    this.#letContainersGo()
    this.#object?.close()
    this.#object = undefined
  }

  async #open(): Promise<BpfObject> {
    const { file, name, globals = {} } = this.spec
    const object = BpfObject.open(await objectBytes(file), { name: name.replaceAll('-', '_') })
    try {
      setGlobals(object, globals)
      return object
    } catch (error) {
      object.close()
      throw error
    }
  }

  /** Uses the maps that are pinned, and leaves alone what is attached already. */
  #usePins(object: BpfObject): void {
    const { name, globals = {}, cgroup = '', version } = this.spec
    const { pinRoot, report } = this.#context
    if (pinRoot === undefined) return
    this.#pins = new Pins(pinRoot, name, [version, JSON.stringify(globals), cgroup])
    for (const reason of this.#pins.useMaps(object)) report(`begins anew: ${reason}`)
    for (const program of object.programs.values())
      if (this.#pins.isAttached(program.name)) program.autoload = false
  }

  /** Leaves out programs that this kernel would refuse, because then none of the object could be loaded. */
  #leaveOutRefused(object: BpfObject): void {
    const programs = [...object.programs.values()]
    for (const program of programs.filter(({ autoload }) => autoload)) {
      const refusal = program.refusal()
      if (refusal === undefined) continue
      program.autoload = false
      this.#failures.push({ program: program.name, stage: 'load', reason: refusal.message })
    }
    if (!programs.some(({ autoload, name }) => autoload || this.#pins?.isAttached(name)))
      throw new Error('this kernel accepts none of its programs')
  }

  /** Attaches probes in containers, if the configuration asks for that. */
  async #follow(object: BpfObject): Promise<Following | undefined> {
    const { follow } = this.spec
    if (follow === undefined) return undefined
    const { containers, changed } = this.#context
    if (containers === undefined)
      throw new Error('containers cannot be followed, because the agent cannot recognize them')
    return Following.start({ object, config: follow ?? {}, containers, changed })
  }

  #attachAll(object: BpfObject, isWanted: (program: Program) => boolean = () => true): void {
    for (const program of object.programs.values()) {
      if (this.spec.follow !== undefined && isFollowing(program)) continue
      if (program.loaded) {
        if (isWanted(program)) this.#attach(program)
      } else if (this.#pins?.isAttached(program.name)) {
        this.#adopted.push(this.#pins.adopt(program.name))
        this.#attached++
      }
    }
  }

  #attach(program: Program): void {
    const attach = (): Link | undefined =>
      program.type.startsWith('cgroup_')
        ? program.attachCgroup(findCgroup(this.spec.cgroup))
        : program.tryAttach()
    const fail = (reason: string): void =>
      void this.#failures.push({ program: program.name, stage: 'attach', reason })
    try {
      const link = this.#pins === undefined ? attach() : this.#pins.replace(program, attach)
      if (link !== undefined) this.#attached++
      else fail(`SEC("${program.section}") names no hook`)
    } catch (error) {
      if (!(error instanceof BpfError)) throw error
      fail(error.message)
    }
  }

  #readEvents(
    object: BpfObject,
    readerOf: (map: string) => ReturnType<EventFeed['release']> | undefined = () => undefined,
  ): void {
    for (const config of this.spec.events ?? []) {
      this.#feeds.push(
        new EventFeed({
          config,
          object,
          program: this.spec.name,
          context: this.#context,
          ledgerPath: this.#pins?.ledgerPath(config.map),
          reader: readerOf(config.map),
        }),
      )
    }
  }

  /** The reader of a map, for a newer version. */
  #releaseReader(map: string): ReturnType<EventFeed['release']> | undefined {
    const at = this.#feeds.findIndex(({ config }) => config.map === map)
    return at < 0 ? undefined : this.#feeds.splice(at, 1)[0]!.release()
  }

  #letContainersGo(): void {
    this.#following?.[Symbol.dispose]()
    this.#following = undefined
  }

  #letMetricsGo(): void {
    for (const metric of this.#metrics.splice(0)) this.#context.metrics.remove(metric)
  }
}

/** Whether a map can be taken over. */
function isSame(before: BpfMap<unknown, unknown> | undefined, map: BpfMap<unknown, unknown>): boolean {
  if (before === undefined || map.isInternal || map.type === 'struct_ops') return false
  const parts = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const
  return parts.every((part) => before[part] === map[part])
}
