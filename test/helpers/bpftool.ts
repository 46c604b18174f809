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

/**
 * A test that compares with bpftool, for something that the kernel has since a version. It is skipped if bpftool is not
 * installed. $BPFTOOL can name another one than that on the PATH.
 */
export const comparesWithBpftool = (name: string, test: () => void | Promise<void>, since = '0'): void => {
  if (isHere() && since === '0') it(name, test)
  else if (isHere()) requiresKernel(since, name, test)
  else it.skip(`${name} (bpftool is not installed)`, test)
}

/** Runs bpftool and returns its output. */
export function bpftoolText(...args: string[]): string {
  return execFileSync(bpftool, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A sanitizer is only for our addon: with it, bpftool would read /proc/kallsyms for many minutes.
    env: { ...process.env, LD_PRELOAD: '' },
  })
}

/** Runs `bpftool -j` and returns its parsed output. */
export function bpftoolJson<T>(...args: string[]): T {
  return JSON.parse(bpftoolText('-j', ...args)) as T
}
