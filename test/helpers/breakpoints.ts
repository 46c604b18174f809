// A program with a variable to watch, and whether the processor can.
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

export const hasBreakpoints = (): boolean => {
  try {
    PerfEvent.open({ event: { breakpoint: 4096, on: 'write' }, pid: process.pid }).close()
    return true
  } catch {
    return false
  }
}

export const requiresBreakpoints = (name: string, test: () => Promise<void>): void =>
  requires(
    {
      here: hasBreakpoints,
      missing: 'its processor has no breakpoints for processes, as some virtual machines',
    },
    name,
    test,
  )
