import type { Server } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { BpfMetrics } from '@libbpf-node/otel'
import { Containers } from '@libbpf-node/otel/containers'
import { enableStats } from 'libbpf-node'
import type { Logger } from 'pino'
import { containersOptions } from './config/containers.js'
import type { Loaded, ProgramSpec } from './config/load.js'
import type { ProgramContext } from './context.js'
import { Health } from './health.js'
import { loadMeter } from './load-meter.js'
import { Outputs } from './outputs/outputs.js'
import { sweepPrograms } from './pins.js'
import { dropPrivileges } from './privileges.js'
import { RunningProgram } from './program.js'
import { selfMetrics } from './self.js'
import { serve } from './server.js'
import { Shedding } from './shedding.js'

/** What the agent is made of. */
export class Agent {
  readonly metrics = new BpfMetrics()
  readonly health = new Health()
  readonly #log: Logger
  readonly #programs = new Map<string, RunningProgram>()
  readonly #outputs: Outputs
  #containers: Containers | undefined
  #server: Server | undefined
  #address: string | undefined
  /** The option `listen` that the server was started with. */
  #listens: Loaded['listen']
  #stopSelf: (() => void) | undefined
  #shedding: Shedding
  #stats: ReturnType<typeof enableStats> | undefined
  #isPrivileged = true
  #config: Loaded

  constructor(config: Loaded, log: Logger) {
    this.#config = config
    this.#log = log
    this.#outputs = new Outputs(this.metrics, log)
    const programs = () => [...this.#programs.values()]
    this.#shedding = new Shedding(loadMeter(programs), programs, log)
    this.health.shed = () => this.#shedding.shed
  }

  /** Where it listens. */
  get address(): string | undefined {
    return this.#address
  }

  async start(): Promise<void> {
    const { listen, programs, outputs = {}, resource = {}, user, limits = {} } = this.#config
    this.#measureRuns()
    this.#containers = await Containers.open(
      containersOptions(this.#config.containers ?? {}, (reason) => this.#log.warn({ reason }, 'containers')),
    ).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'containers are not recognized')
      return undefined
    })
    await this.#listen(listen)
    await this.#outputs.change({ outputs, resource })
    this.#stopSelf = selfMetrics(this.metrics, {
      programs: () => this.#programs.values(),
      outputs: this.#outputs,
      withProgramStats: () => this.#config.self?.program_stats ?? false,
      shedding: this.#shedding,
    })
    this.#sweep(this.#config)
    for (const spec of programs) await this.#startProgram(spec)
    this.#become(user)
    await this.#shedding.limit(limits)
    this.health.started()
    this.#log.info({ status: this.health.overall, programs: this.#programs.size }, 'started')
  }

  /**
   * Changes to a new configuration: what is the same in both keeps running. What cannot change while the agent runs
   * stays as it is, and the log reports it.
   */
  async reload(config: Loaded): Promise<void> {
    await this.#shedding.stop()
    this.#log.level = config.log?.level ?? 'info'
    this.#keepFixed(config)
    this.#config = config
    if (config.listen !== this.#listens) await this.#tryTo('listen', () => this.#listen(config.listen))
    await this.#tryTo('outputs', () => this.#outputs.change(config))
    this.#measureRuns()
    await this.#tryTo('programs', () => this.#changePrograms(config))
    await this.#tryTo('limits', () => this.#shedding.limit(config.limits ?? {}))
    if (this.#isPrivileged) await this.#tryTo('user', () => this.#become(config.user))
    this.#log.info({ status: this.health.overall }, 'reloaded')
  }

  /** Keeps the options that only a restart can change. */
  #keepFixed(next: Loaded): void {
    for (const option of this.#isPrivileged ? (['pinning'] as const) : (['pinning', 'user'] as const)) {
      const { [option]: now } = this.#config
      if (isDeepStrictEqual(next[option], now)) continue
      Object.assign(next, { [option]: now })
      this.#log.error({ option }, 'cannot change while the agent runs: restart it')
    }
  }

  /** If something cannot be changed, the rest of the new configuration is still used. */
  async #tryTo(option: string, change: () => void | Promise<void>): Promise<void> {
    try {
      await change()
    } catch (error) {
      this.#log.error(
        { option, reason: (error as Error).message },
        'not changed; the old setting stays in effect',
      )
    }
  }

  /** Starts to serve at a new address, and then stops serving at the old one. */
  async #listen(listen: Loaded['listen']): Promise<void> {
    const next = listen === false ? undefined : await serve(listen ?? '127.0.0.1:9435', this)
    // Answers in progress are still sent.
    this.#server?.close()
    this.#server?.closeIdleConnections()
    this.#server = next?.server
    this.#address = next?.address
    this.#listens = listen
    if (next !== undefined) this.#log.info({ address: next.address }, 'listening')
  }

  #become(user: string | number | undefined): void {
    if (user === undefined) return
    dropPrivileges(user)
    this.#isPrivileged = false
    this.#log.info({ user }, 'privileges dropped')
  }

  async #changePrograms(config: Loaded): Promise<void> {
    const wanted = new Map(config.programs.map((spec) => [spec.name, spec]))
    for (const [name, program] of this.#programs) {
      const spec = wanted.get(name)
      if (spec !== undefined) {
        if (isDeepStrictEqual(spec, program.spec)) continue
        // Without privileges, nothing could take its place.
        if (this.#isPrivileged) await this.#change(program, spec)
        else this.#log.error({ program: name }, 'cannot change without privileges: restart the agent')
        continue
      }
      program.close()
      this.#programs.delete(name)
      this.health.remove(name)
      this.#log.info({ program: name }, 'removed')
    }
    this.#sweep(config)
    for (const spec of config.programs) if (!this.#programs.has(spec.name)) await this.#startProgram(spec)
  }

  /** Puts a new version of a program in the place of an older one. */
  async #change(older: RunningProgram, spec: ProgramSpec): Promise<void> {
    // Pinned programs keep running without us, and are taken over by the next start. What follows containers looks for
    // them anew.
    const follows = older.spec.follow !== undefined || spec.follow !== undefined
    if (this.#config.pinning === undefined && older.object !== undefined && !follows) {
      const program = new RunningProgram(spec, this.#contextOf(spec))
      try {
        await program.startInPlaceOf(older)
        this.#note(program)
        this.#log.info({ program: spec.name }, 'replaced')
      } catch (error) {
        this.#log.error(
          { program: spec.name, reason: (error as Error).message },
          'not replaced, the older version goes on',
        )
      }
      return
    }
    older.close()
    await this.#startProgram(spec)
  }

  async stop(): Promise<void> {
    await this.#shedding.stop()
    for (const program of this.#programs.values()) program.close()
    this.#programs.clear()
    this.#stopSelf?.()
    this.#stats?.close()
    await this.#outputs.close()
    this.#containers?.close()
    this.#server?.closeAllConnections()
    this.#server?.close()
  }

  async #startProgram(spec: ProgramSpec): Promise<void> {
    const program = new RunningProgram(spec, this.#contextOf(spec))
    this.health.set(spec.name, { health: { status: 'starting', failures: [] } })
    await program.start()
    this.#note(program)
  }

  #contextOf({ name }: ProgramSpec): ProgramContext {
    return {
      metrics: this.metrics,
      containers: this.#containers,
      deliver: (event, outputs) => this.#outputs.deliver(event, outputs),
      flush: () => this.#outputs.flush(),
      isPrivileged: () => this.#isPrivileged,
      pinRoot: this.#config.pinning?.path,
      report: (reason) => this.#log.warn({ program: name, reason }, 'pins'),
      changed: () => {
        const program = this.#programs.get(name)
        if (program === undefined) return
        this.#log.debug({ program: name, probes: program.followed }, 'containers')
      },
    }
  }

  /** Records a program, and logs what state it is in. */
  #note(program: RunningProgram): void {
    const { health } = program
    const { name } = program.spec
    this.#programs.set(name, program)
    this.health.set(name, program)
    this.#shedding.applyTo(program)
    for (const { program: bpf, reason } of health.failures)
      this.#log.warn({ program: name, bpf, reason }, 'not attached')
    this.#log.info({ program: name, status: health.status }, 'program')
  }

  /** Has the kernel measure how long BPF programs run, if that has to be known. */
  #measureRuns(): void {
    const { self, limits } = this.#config
    const isWanted = self?.program_stats === true || limits?.cpu !== undefined
    if (isWanted === (this.#stats !== undefined)) return
    this.#stats?.close()
    this.#stats = undefined
    if (!isWanted) return
    try {
      this.#stats = enableStats()
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, 'how long BPF programs run is not measured')
    }
  }

  /** Removes the pins of programs that no longer exist. */
  #sweep({ pinning, programs }: Loaded): void {
    if (pinning === undefined) return
    const gone = sweepPrograms(pinning.path, new Set(programs.map(({ name }) => name)))
    for (const program of gone) this.#log.info({ program }, 'pins removed')
  }
}
