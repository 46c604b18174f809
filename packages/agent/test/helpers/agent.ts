// The agent as a process of its own, as it runs on hosts.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../../../../test/helpers/until.js'

export const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** Runs the agent until it ends, for `--check` and its like. */
export function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
}

/** A folder with a configuration in it. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'libbpf-node-agent-'))
  readonly config = join(this.path, 'agent.yaml')

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name)
    writeFileSync(path, content)
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

/** An agent that runs. */
export class RunningAgent {
  readonly child: ChildProcess
  stdout = ''
  log = ''
  address = ''

  /** @param wrapper - a command that runs the one that follows */
  constructor(config: string, wrapper: readonly string[] = []) {
    const [command = '', ...args] = [...wrapper, process.execPath, main, '--config', config]
    this.child = spawn(command, args)
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
    })
  }

  /** Starts an agent, and waits until everything is attached that can be. */
  static async start(config: string, wrapper?: readonly string[]): Promise<RunningAgent> {
    const agent = new RunningAgent(config, wrapper)
    await agent.until('it has started', () => agent.log.includes('"msg":"started"'))
    agent.address = /"address":"([^"]+)"/.exec(agent.log)?.[1] ?? ''
    return agent
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const isEnded = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null
    await until(what, async () => isEnded() || (await isSo()), { seconds: 20 }).catch((error: unknown) => {
      throw new Error(`${String(error)}; the agent says:\n${this.log}`)
    })
    if (isEnded() && !(await isSo())) throw new Error(`the agent has ended before ${what}:\n${this.log}`)
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`http://${this.address}${path}`, { headers })
  }

  async metrics(): Promise<Map<string, number>> {
    return valuesIn(await (await this.get('/metrics')).text())
  }

  /** Ends it, and returns the status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode
    const ended = new Promise<number | null>((resolve) => this.child.once('close', resolve))
    this.child.kill(signal)
    return ended
  }
}

/** The values of Prometheus' text format by name and labels. */
export function valuesIn(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}
