// All places that events go to, as the configuration names them.
import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { BpfMetrics } from '@libbpf-node/otel'
import type { Logger } from 'pino'
import type { AgentConfig, OutputName } from '../config/types.js'
import { FileOutput } from './file.js'
import type { AgentEvent, Output } from './output.js'
import { StdoutOutput } from './stdout.js'

const names = ['stdout', 'file', 'otlp'] as const

type Config = Pick<AgentConfig, 'outputs' | 'resource'>

/** What happened to the events for an output, whether it was opened once or several times. */
export interface Delivered {
  readonly output: OutputName
  readonly sent: number
  /** It had no room for them. */
  readonly dropped: number
  /** It could not pass them on. */
  readonly failed: number
}

interface Open {
  readonly output: Output
  readonly config: unknown
}

export class Outputs {
  readonly #metrics: BpfMetrics
  readonly #log: Logger
  readonly #open = new Map<OutputName, Open>()
  readonly #counts = new Map<OutputName, { sent: number; dropped: number; failed: number }>()

  constructor(metrics: BpfMetrics, log: Logger) {
    this.#metrics = metrics
    this.#log = log
  }

  get delivered(): Delivered[] {
    return [...this.#counts].map(([output, { sent, dropped, failed }]) => ({
      output,
      sent,
      dropped,
      failed: failed + (this.#open.get(output)?.output.failed ?? 0),
    }))
  }

  deliver(event: AgentEvent, wanted: readonly OutputName[] | undefined): void {
    for (const [name, { output }] of this.#open) {
      if (wanted !== undefined && !wanted.includes(name)) continue
      const count = this.#counts.get(name)!
      if (output.write(event)) count.sent++
      else count.dropped++
    }
  }

  flush(): void {
    for (const { output } of this.#open.values()) output.flush?.()
  }

  /**
   * Opens what is new or different before it closes what was there, so that each event goes to one of them.
   *
   * @throws Error if some cannot be opened. Those that were there before stay, and the others have changed.
   */
  async change({ outputs = {}, resource = {} }: Config): Promise<void> {
    const failures: string[] = []
    for (const name of names) {
      const isWanted = name in outputs
      const config = name === 'otlp' ? [outputs.otlp, resource] : outputs[name]
      const before = this.#open.get(name)
      if (
        isWanted === (before !== undefined) &&
        isDeepStrictEqual(before?.config, isWanted ? config : undefined)
      )
        continue
      try {
        const next = isWanted ? await this.#make(name, { outputs, resource }) : undefined
        // What has been collected must be in the file before what comes now.
        before?.output.flush?.()
        if (next !== undefined) this.#open.set(name, { output: next, config })
        else this.#open.delete(name)
      } catch (error) {
        failures.push(`${name}: ${(error as Error).message}`)
        continue
      }
      if (!this.#counts.has(name)) this.#counts.set(name, { sent: 0, dropped: 0, failed: 0 })
      if (before !== undefined) await this.#close(name, before.output)
    }
    if (failures.length > 0) throw new Error(failures.join('; '))
  }

  async close(): Promise<void> {
    const all = [...this.#open]
    await Promise.all(all.map(([name, { output }]) => this.#close(name, output)))
  }

  async #make(name: OutputName, { outputs = {}, resource = {} }: Config): Promise<Output> {
    const report = (reason: string): void => this.#log.error({ reason }, 'output')
    if (name === 'stdout') return new StdoutOutput(report)
    if (name === 'file') return new FileOutput(outputs.file!, report)
    const { OtlpOutput, reportTo } = await import('./otlp.js')
    reportTo((reason) => this.#log.warn({ reason }, 'OpenTelemetry'))
    const attributes = { 'service.name': 'libbpf-node-agent', 'host.name': hostname(), ...resource }
    return new OtlpOutput(outputs.otlp!, this.#metrics, attributes)
  }

  async #close(name: OutputName, output: Output): Promise<void> {
    await output
      .close()
      .catch((error: unknown) => this.#log.error({ err: error, output: name }, 'not everything was sent'))
    // The next one begins at 0.
    this.#counts.get(name)!.failed += output.failed ?? 0
  }
}
