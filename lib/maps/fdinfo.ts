import { readFileSync } from 'node:fs'

/** What the kernel reports about a map only in /proc/self/fdinfo. @internal */
export function kernelFacts(fd: number): { memlock: number; frozen: boolean } {
  return factsIn(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))
}

/** @internal */
export function factsIn(text: string): { memlock: number; frozen: boolean } {
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { memlock: field('memlock'), frozen: field('frozen') === 1 }
}
