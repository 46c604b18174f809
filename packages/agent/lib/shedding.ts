// What the agent does when it and its programs use more than they may: it makes the kernel report less.
import type { Logger } from 'pino'
import type { LimitsConfig } from './config/types.js'

/** The resources that the agent and its programs use. */
export interface Load {
  /** Cores. */
  readonly cpu: number
  /** Bytes. */
  readonly memory: number
}

/** A program that can do less. */
export interface Sheddable {
  readonly name: string
  /** Whether its BPF programs can look at only one of many events, and give it the weight of all of them. */
  readonly canSample: boolean
  /** Makes them look at only one of `sample` events. */
  setSample(sample: number): void
  /** Whether it can be detached and attached again. */
  readonly canDetach: boolean
  detach(): void
  attachAgain(): Promise<void>
}

/** What is shed, for /healthz. */
export interface Shed {
  /** One of this many events is looked at. */
  readonly sample: number
  readonly detached: readonly string[]
  readonly reason: string
}

/** At least one of 1,024 events is looked at. */
const mostHalvings = 10
/** A measure is undone when the CPU is below this share of its limit, because then twice as much fits. */
const little = 0.4
/** The share of its limit that the CPU may use afterwards. */
const aim = 0.8
/** The same for memory, whose use does not fall in proportion. */
const littleMemory = 0.9
const defaultInterval = 1
const defaultCalm = 10
/** The longest time to wait before attaching again what had to be detached soon after the last attempt. */
const longestCalm = 600

/**
 * Samples first: all programs that can do so look at only one of 2, 4, up to 1,024 events, with more halvings at once
 * the further the load is above the limit. If that is not enough, or no program can do it, programs are detached, the
 * last one of the configuration first. When there is little load for some time, everything is undone in the opposite
 * order.
 */
export class Shedding {
  #limits: LimitsConfig = {}
  readonly #measure: () => Load
  readonly #programs: () => readonly Sheddable[]
  readonly #log: Logger
  readonly #detached: string[] = []
  #halvings = 0
  #reason = ''
  /** How many measurements in a row have shown little load. */
  #calm = 0
  /** Grows when something had to be detached again. */
  #patience = 1
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  /** How often the agent began to report less. */
  steps = 0

  constructor(measure: () => Load, programs: () => readonly Sheddable[], log: Logger) {
    this.#measure = measure
    this.#programs = programs
    this.#log = log
  }

  /** Sets the limits. Without any, everything is undone. */
  async limit(limits: LimitsConfig): Promise<void> {
    await this.stop()
    this.#limits = limits
    const { cpu, memory, interval = defaultInterval } = limits
    if (cpu === undefined && memory === undefined) {
      while (this.#detached.length > 0) await this.#attachLast()
      this.#sample(0)
      return
    }
    // What happened before does not count.
    this.#measure()
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    }, interval * 1000).unref()
  }

  /** Stops measuring until there are limits again. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  get shed(): Shed | undefined {
    if (this.#halvings === 0 && this.#detached.length === 0) return undefined
    return { sample: 2 ** this.#halvings, detached: this.#detached, reason: this.#reason }
  }

  /** The share of its events that a program looks at. */
  ratioOf({ name, canSample }: Sheddable): number {
    if (this.#detached.includes(name)) return 0
    return canSample ? 2 ** -this.#halvings : 1
  }

  /** Makes programs that were just started do as little as the others. */
  applyTo(program: Sheddable): void {
    const at = this.#detached.indexOf(program.name)
    if (at >= 0) this.#detached.splice(at, 1)
    if (program.canSample) program.setSample(2 ** this.#halvings)
  }

  /** Measures, and acts if it must. */
  async #look(): Promise<void> {
    try {
      await this.#act(this.#measure())
    } catch (error) {
      this.#log.error({ err: error }, 'shedding')
    }
  }

  async #act(load: Load): Promise<void> {
    const { cpu: most = Number.POSITIVE_INFINITY, memory: mostMemory = Number.POSITIVE_INFINITY } =
      this.#limits
    const cpu = load.cpu / most
    const memory = load.memory / mostMemory
    const before = this.shed
    if (cpu > 1 || memory > 1) {
      this.#calm = 0
      const texts = [
        ...(cpu > 1 ? [`${load.cpu.toFixed(2)} of ${most} cores`] : []),
        ...(memory > 1 ? [`${Math.round(load.memory / 1e6)} of ${Math.round(mostMemory / 1e6)} MB`] : []),
      ]
      this.#reason = texts.join(', ')
      if (this.#more(Math.max(cpu, memory))) {
        this.steps++
        this.#log.warn(this.shed, 'sheds load')
      }
      return
    }
    if (before === undefined) return
    this.#calm = cpu < little && memory < littleMemory ? this.#calm + 1 : 0
    const { interval = defaultInterval, calm = defaultCalm } = this.#limits
    if (this.#calm * interval < Math.min(longestCalm, calm * this.#patience)) return
    this.#calm = 0
    if (this.#detached.length > 0) {
      // If it has to be detached again, the next attempt is made later.
      this.#patience *= 2
      await this.#attachLast()
    } else this.#sample(Math.max(0, this.#halvings - Math.max(1, Math.floor(Math.log2(aim / cpu)))))
    if (this.shed !== undefined) this.#log.info(this.shed, 'sheds less load')
    else {
      this.#patience = 1
      this.#log.info('sheds no load any more')
    }
  }

  /** Reports less. Returns false if there is nothing left to do. */
  #more(excess: number): boolean {
    const programs = this.#programs()
    if (this.#halvings < mostHalvings && programs.some(({ canSample }) => canSample)) {
      this.#sample(Math.min(mostHalvings, this.#halvings + Math.max(1, Math.ceil(Math.log2(excess)))))
      return true
    }
    const last = programs.findLast(({ name, canDetach }) => canDetach && !this.#detached.includes(name))
    last?.detach()
    if (last !== undefined) this.#detached.push(last.name)
    return last !== undefined
  }

  #sample(halvings: number): void {
    this.#halvings = halvings
    for (const program of this.#programs()) if (program.canSample) program.setSample(2 ** halvings)
  }

  async #attachLast(): Promise<void> {
    const name = this.#detached.pop()
    await this.#programs()
      .find((program) => program.name === name)
      ?.attachAgain()
  }
}
