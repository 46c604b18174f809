// Electron waits for the descriptor of libuv's loop from an epoll of its own, on another thread. Asking that epoll for
// events asks poll() of everything in it, and a perf buffer answers only once. Here, a helper in C does the same.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-electron-'))
const helper = join(folder, 'outer')

// Takes the epoll of another process that watches its standard input, and waits for it.
const helperSource = `
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char** arguments) {
  int process = syscall(SYS_pidfd_open, atoi(arguments[1]), 0), found = 0;
  // Node.js watches its standard input only from its next turn on.
  for (int fd = 3; !found; fd = fd < 200 ? fd + 1 : 3) {
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%s/fdinfo/%d", arguments[1], fd);
    FILE* info = fopen(path, "r");
    while (info && fgets(line, sizeof(line), info)) {
      int target = -1;
      if (sscanf(line, "tfd: %d", &target) == 1 && target == 0) found = fd;
    }
    if (info) fclose(info);
  }
  int taken = syscall(SYS_pidfd_getfd, process, found, 0), outer = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  if (!found || taken < 0 || epoll_ctl(outer, EPOLL_CTL_ADD, taken, &event)) return 1;
  puts("waiting");
  fflush(stdout);
  while (epoll_wait(outer, &event, 1, -1) >= 0) usleep(500);
}
`

// Counts the records that have not come 4 s after they were written.
const script = `
import { setTimeout as sleep } from 'node:timers/promises'
Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: '40.0.0' } })
const { BpfObject, PerfBuffer } = await import('libbpf-node')
const object = BpfObject.open('dist/test/bpf/events-perf.bpf.o')
object.loadSync()
const buffer = new PerfBuffer(object.map('events'))
let read = 0
buffer.on(() => read++)
console.log('ready')
process.stdin.once('data', async () => {
  let late = 0
  for (let made = 1; made <= 50; made++) {
    object.program('produce').testRunSync({ flags: 1 })
    for (let i = 0; i < 200 && read < made; i++) await sleep(20)
    if (read < made) late++
  }
  console.log(JSON.stringify({ late, read }))
  process.exit()
})
`

beforeAll(() => {
  writeFileSync(`${helper}.c`, helperSource)
  execFileSync('cc', ['-o', helper, `${helper}.c`])
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('a perf buffer in Electron', () => {
  requiresKernel('5.10', 'is woken although another epoll asks libuv for events', async () => {
    const node = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const output: string[] = []
    node.stdout.on('data', (text) => output.push(String(text)))
    await once(node.stdout, 'data')
    const outer = spawn(helper, [String(node.pid)])
    expect(String((await once(outer.stdout, 'data'))[0])).toBe('waiting\n')
    node.stdin.write('\n')
    await once(node, 'close')
    outer.kill()
    await once(outer, 'close')
    expect(output.join('')).toBe('ready\n{"late":0,"read":50}\n')
  })
})
