// A program of the configuration while it runs: an object with its links, metrics and events.
import { type BpfMetrics, explicitBuckets, log2Buckets, type Metric } from '@libbpf-node/otel'
import {
  BpfError,
  type BpfMap,
  BpfObject,
  type EventReader,
  type Link,
  type Program,
  RingBuffer,
} from 'libbpf-node'
import type { ProgramSpec } from './config/load.js'
import type { EventsConfig, HistogramConfig, NumberConfig } from './config/types.js'
import { type DecoderContext, eventOf, labelsOf, memberOf } from './decoders.js'
import type { ProgramHealth } from './health.js'
import { RingLedger } from './ledger.js'
import type { AgentEvent } from './outputs/output.js'
import { Pins } from './pins.js'
import { findCgroup } from './places.js'
import { objectBytes } from './source.js'

/** What programs share. */
export interface ProgramContext extends DecoderContext {
  readonly metrics: BpfMetrics
  deliver(event: AgentEvent, outputs: EventsConfig['outputs']): void
  /** Writes what outputs have collected. */
  flush(): void
  /** Where maps and links are pinned, if they are. */
  readonly pinRoot: string | undefined
  readonly report: (message: string) => void
}

interface Failure {
  readonly program: string
  readonly reason: string
}

/** Something that runs. It can be closed, and replaced by a new version of itself. */
export class RunningProgram {
  readonly spec: ProgramSpec
  readonly #context: ProgramContext
  readonly #failures: Failure[] = []
  readonly #metrics: Metric[] = []
  readonly #readers: EventReader<Record<string, unknown>>[] = []
  readonly #ledgers: RingLedger[] = []
  readonly #commits: (() => void)[] = []
  /** Links of an agent that has ended. */
  readonly #adopted: Link[] = []
  #object: BpfObject | undefined
  #pins: Pins | undefined
  #attached = 0

  constructor(spec: ProgramSpec, context: ProgramContext) {
    this.spec = spec
    this.#context = context
  }

  get health(): ProgramHealth {
    if (this.#object === undefined) return { status: 'failed', failures: this.#failures }
    if (this.#attached === 0) return { status: 'failed', failures: this.#failures }
    return { status: this.#failures.length === 0 ? 'running' : 'degraded', failures: this.#failures }
  }

  get object(): BpfObject | undefined {
    return this.#object
  }

  /** Records that were lost because a ring was full. */
  get lost(): bigint {
    return this.#readers.reduce((sum, reader) => sum + lostIn(reader), 0n)
  }

  /** Records that an agent had read when it was killed. Only known if maps are pinned. */
  get lostByKill(): bigint {
    return this.#ledgers.reduce((sum, ledger) => sum + ledger.lost, 0n)
  }

  /** Loads and attaches what can be attached. What cannot is in {@link health}. */
  async start(): Promise<void> {
    try {
      const object = await this.#open()
      this.#object = object
      await object.load()
      this.#readEvents(object)
      for (const program of object.programs.values()) {
        if (program.loaded) this.#attach(program)
        else if (this.#pins?.isAttached(program.name)) {
          this.#adopted.push(this.#pins.adopt(program.name))
          this.#attached++
        }
      }
      this.#pins?.sweep(object)
      this.#measure(object)
    } catch (error) {
      this.#failures.push({ program: '', reason: String((error as Error).message) })
      this.close()
    }
  }

  /** Ends it. What is pinned goes on, and its events wait in the kernel. */
  close(): void {
    for (const metric of this.#metrics.splice(0)) this.#context.metrics.remove(metric)
    for (const reader of this.#readers.splice(0)) {
      // What was taken from the kernel is delivered.
      reader.pause()
      reader.consume()
      reader.close()
    }
    this.#commit()
    for (const ledger of this.#ledgers.splice(0)) ledger[Symbol.dispose]()
    for (const link of this.#adopted.splice(0)) link.close()
    this.#object?.close()
    this.#object = undefined
  }

  async #open(): Promise<BpfObject> {
    const { file, name, globals = {}, cgroup = '' } = this.spec
    const { pinRoot, report } = this.#context
    const bytes = await objectBytes(file)
    const object = BpfObject.open(bytes, { name: name.replaceAll('-', '_') })
    try {
      setGlobals(object, globals)
      if (pinRoot !== undefined) {
        this.#pins = new Pins(pinRoot, name, [bytes, JSON.stringify(globals), cgroup])
        for (const reason of this.#pins.useMaps(object)) report(`begins anew: ${reason}`)
      }
      for (const program of object.programs.values()) {
        if (this.#pins?.isAttached(program.name)) {
          program.autoload = false
          continue
        }
        const refusal = program.refusal()
        if (refusal === undefined) continue
        program.autoload = false
        this.#failures.push({ program: program.name, reason: refusal.message })
      }
      const isAnywhere = ({ name, autoload }: Program) => autoload || this.#pins?.isAttached(name)
      if (![...object.programs.values()].some(isAnywhere))
        throw new Error('this kernel accepts none of its programs')
      return object
    } catch (error) {
      object.close()
      throw error
    }
  }

  #attach(program: Program): void {
    try {
      if (this.#attachOne(program) !== undefined) this.#attached++
      else this.#failures.push({ program: program.name, reason: `SEC("${program.section}") names no hook` })
    } catch (error) {
      if (!(error instanceof BpfError)) throw error
      this.#failures.push({ program: program.name, reason: error.message })
    }
  }

  #attachOne(program: Program): Link | undefined {
    const attach = (): Link | undefined => this.#attachToHook(program)
    return this.#pins === undefined ? attach() : this.#pins.replace(program, attach)
  }

  #attachToHook(program: Program): Link | undefined {
    if (program.type.startsWith('cgroup_')) return program.attachCgroup(findCgroup(this.spec.cgroup))
    return program.tryAttach()
  }

  #readEvents(object: BpfObject): void {
    for (const { map, type, name = map, labels = [], outputs } of this.spec.events ?? []) {
      const reader = object.events<Record<string, unknown>>(map, type)
      const decode = eventOf(labels, this.#context)
      const program = this.spec.name
      const account = this.#accountOf(object, map, type, reader)
      reader.on((event) => {
        this.#context.deliver({ name, program, time: Date.now(), body: decode(event) }, outputs)
        account?.()
      })
      this.#readers.push(reader)
    }
  }

  /** A function that counts a delivered event, if the ring outlives the agent. */
  #accountOf(object: BpfObject, map: string, type: string, reader: unknown): (() => void) | undefined {
    if (this.#pins === undefined || !(reader instanceof RingBuffer)) return undefined
    const ledger = new RingLedger(this.#pins.ledgerPath(map), reader, object.codec(type).size)
    this.#ledgers.push(ledger)
    let count = 0
    const commit = (): void => {
      if (count > 0) ledger.deliver(count)
      count = 0
    }
    this.#commits.push(commit)
    return () => {
      // All events of a turn at once.
      if (count++ === 0) setImmediate(() => this.#commit())
    }
  }

  #commit(): void {
    if (this.#ledgers.length === 0) return
    this.#context.flush()
    for (const commit of this.#commits) commit()
  }

  #measure(object: BpfObject): void {
    const { counters = [], gauges = [], histograms = [] } = this.spec.metrics ?? {}
    const { metrics } = this.#context
    const add = (metric: Metric): unknown => this.#metrics.push(metric)
    for (const config of counters) add(metrics.counter(this.#numberOptions(object, config)))
    for (const config of gauges) add(metrics.gauge(this.#numberOptions(object, config)))
    for (const config of histograms) add(metrics.histogram(this.#histogramOptions(object, config)))
  }

  #commonOptions(object: BpfObject, config: NumberConfig | HistogramConfig) {
    const { name, help, map = name, labels = [], max_series, stale_after } = config
    return {
      name,
      description: help,
      map: object.map<unknown, unknown>(map) as BpfMap<unknown, unknown>,
      labels: labelsOf(labels, this.#context),
      ...(max_series !== undefined && { maxSeries: max_series }),
      ...(stale_after !== undefined && { staleAfter: stale_after }),
    }
  }

  #numberOptions(object: BpfObject, config: NumberConfig) {
    const { member, multiplier } = config
    const common = this.#commonOptions(object, config)
    const value = (found: unknown): number =>
      Array.isArray(found)
        ? found.reduce((sum: number, one) => sum + Number(memberOf(one, member!)), 0)
        : Number(memberOf(found, member!))
    return {
      ...common,
      ...(member !== undefined && { value }),
      ...(multiplier !== undefined && { scale: multiplier }),
    }
  }

  #histogramOptions(object: BpfObject, config: HistogramConfig) {
    const {
      bucket_type: type,
      bucket_max: max = 31,
      bucket_keys: keys = [],
      bucket_multiplier: scale = 1,
      bucket,
    } = config
    return {
      ...this.#commonOptions(object, config),
      buckets:
        type === 'exp2' ? log2Buckets(max + 1, { scale }) : explicitBuckets(keys.map((key) => key * scale)),
      sumScale: scale,
      ...(bucket !== undefined && { slot: (key: unknown) => Number(memberOf(key, bucket)) }),
    }
  }
}

function setGlobals(object: BpfObject, globals: Record<string, unknown>): void {
  const sections = ['.rodata', '.data', '.bss'].flatMap((section) => {
    try {
      return [object.globals(section)]
    } catch {
      return []
    }
  })
  for (const [name, value] of Object.entries(globals)) {
    const section = sections.find((section) => name in section)
    if (section === undefined) throw new Error(`it has no global variable '${name}'`)
    Object.assign(section, { [name]: value })
  }
}

function lostIn(reader: EventReader<unknown>): bigint {
  const { lost } = reader as { lost?: bigint }
  return lost ?? 0n
}
