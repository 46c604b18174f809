import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ChildResult {
  /** The exit status; `null` after a signal. */
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface ChildOptions {
  /** Options of node, such as --expose-gc. */
  node?: string[]
  /** A command that runs node: `['setpriv', '--bounding-set=-bpf']`. */
  under?: string[]
  env?: Record<string, string>
  /** The child is killed after that. */
  seconds?: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs an ES module in a process of its own, for what ends or upsets one. The script finds our package as 'libbpf-node', and `args`
 * in `process.argv` from index 1 on.
 */
export function runChild(
  script: string,
  args: string[] = [],
  { node = [], under = [], env = {}, seconds = 20 }: ChildOptions = {},
): Promise<ChildResult> {
  const [command = '', ...rest] = [
    ...under,
    process.execPath,
    ...node,
    '--input-type=module',
    '--eval',
    script,
    '--',
    ...args,
  ]
  const child = spawn(command, rest, {
    cwd: root,
    env: { ...process.env, ...env },
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const result: ChildResult = { status: null, signal: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ ...result, status, signal }))
  })
}
