// Other people's tools, and ours, that watch the same work.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterEach, it } from 'vitest'
import { until } from '../helpers/until.js'

const children: ChildProcess[] = []

/** Ends everything that a test has started. */
export function useChildren(): void {
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
}

/** A test that needs a program of a Debian package. Without it, the title says what to install. */
export function comparesWith(program: string, name: string, test: () => Promise<void>): void {
  const debian = /^bpftrace$|\.bt$/.test(program) ? 'bpftrace' : 'libbpf-tools'
  const path = `/usr/sbin/${program}`
  const isThere = existsSync(path) || existsSync(`/usr/bin/${program}`)
  it.skipIf(!isThere)(`${name}${isThere ? '' : ` (needs: apt-get install ${debian})`}`, test)
}

export interface Watcher {
  readonly pid: number
  /** What it has printed so far. */
  output(): string
  lines(): string[]
  /** Lets it print its answer. */
  stop(): Promise<string>
}

/** Starts a program that watches, and whose lines arrive at once. */
export function watch(command: string, ...args: string[]): Watcher {
  const child = spawn('stdbuf', ['-oL', command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let [text, errors] = ['', '']
  child.stdout.on('data', (data) => (text += data))
  child.stderr.on('data', (data) => (errors += data))
  const closed = once(child, 'close')
  return {
    pid: child.pid!,
    output() {
      if (child.exitCode !== null && child.exitCode !== 0) throw new Error(`${command}: ${errors}${text}`)
      return text
    },
    lines() {
      return this.output().split('\n')
    },
    async stop() {
      child.kill('SIGINT')
      await closed
      return text
    },
  }
}

export const ours = (...args: string[]): Watcher => watch(process.execPath, 'dist/lib/cli/main.js', ...args)

/** Does something again and again until all have seen it: then they are attached. */
export async function attached(work: () => unknown, mark: string, ...watchers: Watcher[]): Promise<void> {
  await until(
    'all have attached',
    async () => {
      await work()
      return watchers.every((watcher) => watcher.output().includes(mark))
    },
    { seconds: 30 },
  )
}

/** Waits until a program that says nothing when it has attached holds a link. */
export async function holdsLink({ pid, output }: Watcher): Promise<void> {
  const isLink = (fd: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').includes('link_type')
    } catch {
      return false
    }
  }
  await until(
    'it has attached',
    () => {
      output()
      return readdirSync(`/proc/${pid}/fdinfo`).some(isLink)
    },
    { seconds: 30 },
  )
}

/** A program that waits to be looked at. */
export class Held {
  readonly pid: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid!
  }

  static async start(command: string): Promise<Held> {
    const child = spawn('/bin/sh', ['-c', `kill -STOP $$; exec ${command}`], { stdio: 'ignore' })
    children.push(child)
    await until('it waits', () => /\) T/.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8')))
    return new Held(child)
  }

  async run(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGCONT')
    await ended
  }
}

export const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8' })
