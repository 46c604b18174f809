// Programs with known hot functions.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach } from 'vitest'

const sources = {
  c: `
#include <unistd.h>
static volatile long sink;
static __attribute__((noinline, noipa)) void hot_c(long n) { for (long i = 0; i < n; i++) sink += i * i; }
static __attribute__((noinline, noipa)) void caller_c(long n) { hot_c(n); sink++; }
static __attribute__((noinline, noipa)) void outer_c(long n) { caller_c(n); sink++; }
int main() {
  write(1, "ready", 5);
  for (;;) outer_c(1000000);
}
`,
  'c++': `
#include <unistd.h>
namespace shop {
template <class T> struct Till {
  volatile T sum = 0;
  __attribute__((noinline)) void count(long n) { for (long i = 0; i < n; i++) sum = sum + static_cast<T>(i); }
};
}
int main() {
  write(1, "ready", 5);
  shop::Till<long> till;
  for (;;) till.count(1000000);
}
`,
  inlined: `
#include <unistd.h>
static volatile long sink;
static inline __attribute__((always_inline)) void spin(long n) { for (long i = 0; i < n; i++) sink += i * i; }
static inline __attribute__((always_inline)) void spin_twice(long n) { spin(n); spin(n); }
__attribute__((noinline, noipa)) void around(long n) { spin_twice(n); sink++; }
int main() {
  write(1, "ready", 5);
  for (;;) around(1000000);
}
`,
  waiting: `
#include <time.h>
#include <unistd.h>
__attribute__((noinline, noipa)) int wait_shortly() {
  struct timespec t = {0, 20000000};
  return nanosleep(&t, 0) + 1;
}
__attribute__((noinline, noipa)) int wait_here() { return wait_shortly() + 1; }
int main() {
  write(1, "ready", 5);
  for (;;) wait_here();
}
`,
}

interface Programs {
  /** Compiles and starts a program, and resolves when it is ready. */
  start(name: keyof typeof sources): Promise<ChildProcess & { pid: number }>
  /** Starts node with a script that prints something when it is ready. */
  startNode(flags: readonly string[], script: string): Promise<ChildProcess & { pid: number }>
}

export function usePrograms(): Programs {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-profile-'))
  const children: ChildProcess[] = []
  const spawned = async (command: string, args: readonly string[]) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    await once(child.stdout, 'data')
    child.stdout.resume()
    return child as ChildProcess & { pid: number }
  }
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
      // Only the process itself could remove it.
      rmSync(`/tmp/perf-${child.pid}.map`, { force: true })
    }
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  return {
    start(name) {
      const program = join(folder, name.replaceAll('+', 'p'))
      const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-o', program]
      const [compiler, language] = name === 'c++' ? ['c++', 'c++'] : ['cc', 'c']
      execFileSync(compiler, [...flags, '-x', language, '-'], { input: sources[name] })
      return spawned(program, [])
    },
    startNode: (flags, script) => spawned(process.execPath, [...flags, '-e', script]),
  }
}
