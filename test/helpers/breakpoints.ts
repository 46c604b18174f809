// A program with a variable to watch, and whether the processor can.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerfEvent } from 'libbpf-node'
import { requires } from '../attach/surroundings.js'

/** Prints the address of its variable, and adds 1 to it for each `w` that it reads. */
export const counterProgram = `
#include <stdio.h>
volatile long watched;
int main() {
  printf("%p\\n", (void*)&watched);
  fflush(stdout);
  while (getchar() == 'w') watched++;
  return 0;
}`

/** Some virtual machines refuse breakpoints, and others accept them and never hit one. */
async function isHit(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-breakpoint-'))
  const program = join(folder, 'counter')
  execFileSync('cc', ['-o', program, '-x', 'c', '-'], { input: counterProgram })
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const breakpoint = BigInt(line.toString().trim())
    using event = PerfEvent.open({ event: { breakpoint, on: 'write', length: 8 }, pid: child.pid! })
    child.stdin.end('wq')
    await once(child, 'exit')
    return event.read().value > 0n
  } catch {
    return false
  } finally {
    child.kill()
    rmSync(folder, { recursive: true })
  }
}

const hit = await isHit()
export const hasBreakpoints = (): boolean => hit

export const requiresBreakpoints = (name: string, test: () => Promise<void>): void =>
  requires(
    {
      here: hasBreakpoints,
      missing: 'its processor has no breakpoints for processes, as some virtual machines',
    },
    name,
    test,
  )
