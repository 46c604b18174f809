// A program of the configuration while it runs: an object with its links, metrics and events.
import { type BpfMetrics, explicitBuckets, log2Buckets, type Metric } from '@libbpf-node/otel'
import { BpfError, type BpfMap, BpfObject, type EventReader, type Link, type Program } from 'libbpf-node'
import type { ProgramSpec } from './config/load.js'
import type { EventsConfig, HistogramConfig, NumberConfig } from './config/types.js'
import { type DecoderContext, eventOf, labelsOf, memberOf } from './decoders.js'
import type { ProgramHealth } from './health.js'
import type { AgentEvent } from './outputs/output.js'
import { findCgroup } from './places.js'
import { objectBytes } from './source.js'

/** What programs share. */
export interface ProgramContext extends DecoderContext {
  readonly metrics: BpfMetrics
  deliver(event: AgentEvent, outputs: EventsConfig['outputs']): void
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
  #object: BpfObject | undefined
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

  /** Loads and attaches what can be attached. What cannot is in {@link health}. */
  async start(): Promise<void> {
    try {
      const object = await this.#open()
      this.#object = object
      await object.load()
      this.#readEvents(object)
      for (const program of object.programs.values()) if (program.loaded) this.#attach(program)
      this.#measure(object)
    } catch (error) {
      this.#failures.push({ program: '', reason: String((error as Error).message) })
      this.close()
    }
  }

  close(): void {
    for (const metric of this.#metrics.splice(0)) this.#context.metrics.remove(metric)
    for (const reader of this.#readers.splice(0)) reader.close()
    this.#object?.close()
    this.#object = undefined
  }

  async #open(): Promise<BpfObject> {
    const { file, name, globals = {} } = this.spec
    const object = BpfObject.open(await objectBytes(file), { name: name.replaceAll('-', '_') })
    try {
      setGlobals(object, globals)
      for (const program of object.programs.values()) {
        const refusal = program.refusal()
        if (refusal === undefined) continue
        program.autoload = false
        this.#failures.push({ program: program.name, reason: refusal.message })
      }
      if ([...object.programs.values()].every(({ autoload }) => !autoload))
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
    if (program.type.startsWith('cgroup_')) return program.attachCgroup(findCgroup(this.spec.cgroup))
    return program.tryAttach()
  }

  #readEvents(object: BpfObject): void {
    for (const { map, type, name = map, labels = [], outputs } of this.spec.events ?? []) {
      const reader = object.events<Record<string, unknown>>(map, type)
      const decode = eventOf(labels, this.#context)
      const program = this.spec.name
      reader.on((event) => {
        this.#context.deliver({ name, program, time: Date.now(), body: decode(event) }, outputs)
      })
      this.#readers.push(reader)
    }
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
