import type { Server } from 'node:http'
import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { BpfMetrics } from '@libbpf-node/otel'
import { Containers } from '@libbpf-node/otel/containers'
import type { Logger } from 'pino'
import { containersOptions } from './config/containers.js'
import type { Loaded, ProgramSpec } from './config/load.js'
import type { OutputName, OutputsConfig } from './config/types.js'
import type { ProgramContext } from './context.js'
import { Health } from './health.js'
import { FileOutput } from './outputs/file.js'
import type { AgentEvent, Output } from './outputs/output.js'
import { StdoutOutput } from './outputs/stdout.js'
import { sweepPrograms } from './pins.js'
import { dropPrivileges } from './privileges.js'
import { RunningProgram } from './program.js'
import { selfMetrics } from './self.js'
import { serve } from './server.js'

/** What the agent is made of. */
export class Agent {
  readonly metrics = new BpfMetrics()
  readonly health = new Health()
  readonly #log: Logger
  readonly #programs = new Map<string, RunningProgram>()
  readonly #outputs = new Map<OutputName, Output>()
  readonly #delivered = new Map<OutputName, { sent: number; dropped: number }>()
  #containers: Containers | undefined
  #server: Server | undefined
  #address: string | undefined
  #stopSelf: (() => void) | undefined
  #config: Loaded

  constructor(config: Loaded, log: Logger) {
    this.#config = config
    this.#log = log
  }

  /** Where it listens. */
  get address(): string | undefined {
    return this.#address
  }

  async start(): Promise<void> {
    const { listen = '127.0.0.1:9435', programs, outputs = {}, resource = {}, user, self = {} } = this.#config
    this.#containers = await Containers.open(
      containersOptions(this.#config.containers ?? {}, (reason) => this.#log.warn({ reason }, 'containers')),
    ).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'containers are not recognized')
      return undefined
    })
    if (listen !== false) {
      const { server, address } = await serve(listen, this)
      this.#server = server
      this.#address = address
      this.#log.info({ address }, 'listening')
    }
    await this.#openOutputs(outputs, resource)
    this.#stopSelf = selfMetrics(this.metrics, {
      programs: () => this.#programs.values(),
      delivered: this.#delivered,
      outputs: this.#outputs,
      withProgramStats: self.program_stats ?? false,
    })
    this.#sweep(this.#config)
    for (const spec of programs) await this.#startProgram(spec)
    if (user !== undefined) {
      dropPrivileges(user)
      this.#log.info({ user }, 'privileges dropped')
    }
    this.health.started()
    this.#log.info({ status: this.health.overall, programs: this.#programs.size }, 'started')
  }

  /** Changes to a new configuration: what is the same in both goes on. */
  async reload(config: Loaded): Promise<void> {
    const wanted = new Map(config.programs.map((spec) => [spec.name, spec]))
    this.#config = config
    for (const [name, program] of this.#programs) {
      const spec = wanted.get(name)
      if (spec !== undefined) {
        if (!isDeepStrictEqual(spec, program.spec)) await this.#change(program, spec)
        continue
      }
      program.close()
      this.#programs.delete(name)
      this.health.remove(name)
      this.#log.info({ program: name }, 'removed')
    }
    this.#sweep(config)
    for (const spec of config.programs) if (!this.#programs.has(spec.name)) await this.#startProgram(spec)
    this.#log.info({ status: this.health.overall }, 'reloaded')
  }

  /** Puts a new version of a program in the place of an older one. */
  async #change(older: RunningProgram, spec: ProgramSpec): Promise<void> {
    // Pinned programs go on without us, and are taken over by the next start. What follows containers looks for them anew.
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
    for (const program of this.#programs.values()) program.close()
    this.#programs.clear()
    this.#stopSelf?.()
    const closing = [...this.#outputs].map(async ([name, output]) => {
      await output
        .close()
        .catch((error: unknown) => this.#log.error({ err: error, output: name }, 'not everything was sent'))
    })
    await Promise.all(closing)
    this.#containers?.close()
    this.#server?.closeAllConnections()
    this.#server?.close()
  }

  async #startProgram(spec: ProgramSpec): Promise<void> {
    const program = new RunningProgram(spec, this.#contextOf(spec))
    this.health.set(spec.name, { status: 'starting', failures: [] })
    await program.start()
    this.#note(program)
  }

  #contextOf({ name }: ProgramSpec): ProgramContext {
    return {
      metrics: this.metrics,
      containers: this.#containers,
      deliver: (event, outputs) => this.#deliver(event, outputs),
      flush: () => {
        for (const output of this.#outputs.values()) output.flush?.()
      },
      pinRoot: this.#config.pinning?.path,
      report: (reason) => this.#log.warn({ program: name, reason }, 'pins'),
      changed: () => {
        const program = this.#programs.get(name)
        if (program === undefined) return
        this.health.set(name, program.health)
        this.#log.debug({ program: name, probes: program.followed }, 'containers')
      },
    }
  }

  /** Writes down how a program is. */
  #note(program: RunningProgram): void {
    const { health } = program
    const { name } = program.spec
    this.#programs.set(name, program)
    this.health.set(name, health)
    for (const { program: bpf, reason } of health.failures)
      this.#log.warn({ program: name, bpf, reason }, 'not attached')
    this.#log.info({ program: name, status: health.status }, 'program')
  }

  /** Removes the pins of programs that there are no more. */
  #sweep({ pinning, programs }: Loaded): void {
    if (pinning === undefined) return
    const gone = sweepPrograms(pinning.path, new Set(programs.map(({ name }) => name)))
    for (const program of gone) this.#log.info({ program }, 'pins removed')
  }

  async #openOutputs(outputs: OutputsConfig, resource: Record<string, string>): Promise<void> {
    const report = (reason: string): void => this.#log.error({ reason }, 'output')
    if (outputs.stdout !== undefined) this.#addOutput('stdout', new StdoutOutput(report))
    if (outputs.file !== undefined) this.#addOutput('file', new FileOutput(outputs.file, report))
    if (outputs.otlp !== undefined) {
      const { OtlpOutput, reportTo } = await import('./outputs/otlp.js')
      reportTo((reason) => this.#log.warn({ reason }, 'OpenTelemetry'))
      const attributes = { 'service.name': 'libbpf-node-agent', 'host.name': hostname(), ...resource }
      this.#addOutput('otlp', new OtlpOutput(outputs.otlp, this.metrics, attributes))
    }
  }

  #addOutput(name: OutputName, output: Output): void {
    this.#outputs.set(name, output)
    this.#delivered.set(name, { sent: 0, dropped: 0 })
  }

  #deliver(event: AgentEvent, outputs: readonly OutputName[] | undefined): void {
    for (const [name, output] of this.#outputs) {
      if (outputs !== undefined && !outputs.includes(name)) continue
      const delivered = this.#delivered.get(name)!
      if (output.write(event)) delivered.sent++
      else delivered.dropped++
    }
  }
}
