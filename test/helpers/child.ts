import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { slowness } from './slowness.js'

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
  /** A command that runs node, such as `['setpriv', '--bounding-set=-bpf']`. */
  under?: string[]
  env?: Record<string, string>
  /** The folder in which our package is found; see {@link copyForEveryone}. */
  cwd?: string
  /** The child is killed after this time. */
  seconds?: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs an ES module in a process of its own, for tests that end or disturb the process. The script can import our
 * package as 'libbpf-node', and finds `args` in `process.argv` from index 1.
 */
export function runChild(
  script: string,
  args: string[] = [],
  { node = [], under = [], env = {}, cwd = root, seconds = 20 }: ChildOptions = {},
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
    cwd,
    env: { ...process.env, ...env },
    timeout: seconds * slowness * 1000,
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

/**
 * The environment that loads the addon from its usual place, even if the tests run with a sanitized or prebuilt one.
 */
export const ordinaryAddon = { LIBBPF_NODE_PREBUILD: '', PREBUILDS_ONLY: '', LD_PRELOAD: '' }

/** A command that runs another one as nobody, with only these capabilities, such as `CAP_BPF`. */
export function asNobody(...capabilities: string[]): [string, ...string[]] {
  const set = onlyThese(capabilities)
  const caps = [`--bounding-set=${set}`, `--inh-caps=${set}`, `--ambient-caps=${set}`]
  return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...caps]
}

/** A command that runs another one as root, with only these capabilities. */
export const asLesserRoot = (...capabilities: string[]): [string, ...string[]] => [
  'setpriv',
  `--bounding-set=${onlyThese(capabilities)}`,
]

const onlyThese = (capabilities: string[]): string =>
  ['-all', ...capabilities.map((name) => name.replace('CAP_', '+').toLowerCase())].join(',')

/** Copies the package, and `others`, to where every user may read it. The repository may be in a private folder. */
export function copyForEveryone(...others: string[]): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
  chmodSync(path, 0o755)
  const own = ['package.json', 'dist/lib', 'build/Release', 'node_modules/node-gyp-build']
  for (const part of [...own, ...others]) {
    cpSync(join(root, part), join(path, part), { recursive: true })
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
