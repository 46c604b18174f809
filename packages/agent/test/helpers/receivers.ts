// Debian's Prometheus and VictoriaMetrics, which scripts/setup fetches.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { it } from 'vitest'
import { until } from '../../../../test/helpers/until.js'
import type { Folder } from './agent.js'

const binary = (name: string): string =>
  fileURLToPath(new URL(`../../../../build/receivers/usr/bin/${name}`, import.meta.url))

/** A test that needs a receiver. Without it, its name says what is missing. */
export function requiresReceiver(receiver: string, name: string, test: () => Promise<void>): void {
  if (existsSync(binary(receiver))) it(name, test, 60_000)
  else it.skip(`${name} (no ${receiver}: scripts/setup --only receivers fetches it from Debian)`, test)
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

/** A server that stores metrics and answers in PromQL. */
class Receiver implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly address: string
  log = ''

  constructor(name: string, port: number, args: readonly string[]) {
    this.address = `http://127.0.0.1:${port}`
    this.#child = spawn(binary(name), args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.on('data', (text: Buffer) => {
      this.log += text
    })
  }

  async ready(path: string): Promise<this> {
    const isReady = async (): Promise<boolean> => {
      if (this.#child.exitCode !== null) throw new Error(`it has ended:\n${this.log}`)
      const response = await fetch(`${this.address}${path}`).catch(() => undefined)
      return response?.ok ?? false
    }
    await until('the receiver is ready', isReady, { seconds: 30 })
    return this
  }

  /** The number of the first series that a question yields. */
  async number(question: string): Promise<number> {
    return Number((await this.query(question))[0]?.value[1])
  }

  async query(question: string): Promise<Sample[]> {
    const response = await fetch(`${this.address}/api/v1/query?query=${encodeURIComponent(question)}`)
    const answer = (await response.json()) as { status: string; error?: string; data: { result: Sample[] } }
    if (answer.status !== 'success') throw new Error(answer.error)
    return answer.data.result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}

export class Prometheus extends Receiver {
  static async start(folder: Folder, config: string, options: string[] = []): Promise<Prometheus> {
    const port = await freePort()
    const args = [
      `--config.file=${folder.write('prometheus.yml', config)}`,
      `--storage.tsdb.path=${folder.path}/prometheus`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...options,
    ]
    return new Prometheus('prometheus', port, args).ready('/-/ready')
  }

  /** The exemplars of a series within a minute of a time. */
  async exemplars(
    question: string,
    time: number,
  ): Promise<{ labels: Record<string, string>; value: string; timestamp: number }[]> {
    const second = Math.round(time / 1000)
    const range = `start=${second - 60}&end=${second + 60}`
    const response = await fetch(
      `${this.address}/api/v1/query_exemplars?query=${encodeURIComponent(question)}&${range}`,
    )
    type Answer = {
      data: { exemplars: { labels: Record<string, string>; value: string; timestamp: number }[] }[]
    }
    return ((await response.json()) as Answer).data.flatMap(({ exemplars }) => exemplars)
  }

  /** What it says about the targets that it scrapes. */
  async targets(): Promise<{ health: string; lastError: string }[]> {
    const response = await fetch(`${this.address}/api/v1/targets`)
    return ((await response.json()) as { data: { activeTargets: { health: string; lastError: string }[] } })
      .data.activeTargets
  }
}

export class VictoriaMetrics extends Receiver {
  /** The endpoint for OpenTelemetry's protocol. */
  get otlp(): string {
    return `${this.address}/opentelemetry`
  }

  static async start(folder: Folder): Promise<VictoriaMetrics> {
    const port = await freePort()
    const args = [
      `-storageDataPath=${folder.path}/victoria`,
      `-httpListenAddr=127.0.0.1:${port}`,
      '-search.latencyOffset=0s',
      '-memory.allowedBytes=100MB',
    ]
    return new VictoriaMetrics('victoria-metrics', port, args).ready('/health')
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
