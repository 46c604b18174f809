import { execFileSync } from 'node:child_process'
import { it } from 'vitest'
import { requiresKernel } from './kernel.js'

const bpftool = process.env.BPFTOOL ?? 'bpftool'

function isHere(): boolean {
  try {
    execFileSync(bpftool, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A comparison with bpftool, of something that the kernel has since a version; skipped where bpftool is not installed. $BPFTOOL names another one than that on the PATH. */
export const comparesWithBpftool = (name: string, test: () => void | Promise<void>, since = '0'): void => {
  if (isHere() && since === '0') it(name, test)
  else if (isHere()) requiresKernel(since, name, test)
  else it.skip(`${name} (bpftool is not installed)`, test)
}

/** What bpftool prints. */
export function bpftoolText(...args: string[]): string {
  return execFileSync(bpftool, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Sanitizers are for our own: theirs lets bpftool read /proc/kallsyms for many minutes.
    env: { ...process.env, LD_PRELOAD: '' },
  })
}

/** What `bpftool -j` prints. */
export function bpftoolJson<T>(...args: string[]): T {
  return JSON.parse(bpftoolText('-j', ...args)) as T
}
