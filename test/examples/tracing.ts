// Runs each tracing example with the privileges that its first lines name. activity, drop-privileges, replace and
// worker also have test files of their own.
import { execFileSync, spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { it as anyTest, describe, expect } from 'vitest'
import { shop, useProgram } from '../attach/surroundings.js'
import { asNobody } from '../helpers/child.js'
import { converse, examplesIn, type KernelSide, useExamples } from '../helpers/example.js'
import * as kernel from '../helpers/kernel.js'
import { useCgroup, usePerfEvents, useTracefs, withoutPerfEvents } from '../helpers/privileged.js'

export function tracingExamples(kernelSide: KernelSide): void {
  const only = examplesIn(kernelSide)
  const it = only<[string, () => void | Promise<void>, number?]>(anyTest)
  const requiresKernel = only(kernel.requiresKernel)
  const requiresFeature = only(kernel.requiresFeature)
  useTracefs()
  usePerfEvents()
  const cgroup = useCgroup()
  const { start, run, runToEnd } = useExamples(kernelSide)

  const binding = (address: string) =>
    `const s = require('net').createServer().on('error', (e) => process.stdout.write(e.code)).listen(0, '${address}', () => { process.stdout.write('bound'); s.close() })`
  const hurry = (): unknown => execFileSync('true')

  describe('tracing examples', () => {
    it('iter lists processes by size', async () => {
      const lines = (await runToEnd('iter')).trimEnd().split('\n')
      expect(lines.length).toBeGreaterThan(3)
      for (const line of lines) expect(line).toMatch(/^ +\d+ +\d+ +\d+ KiB {2}\S/)
      const sizes = lines.map((line) => Number(/(\d+) KiB/.exec(line)![1]))
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
      expect(sizes[0]).toBeGreaterThan(process.memoryUsage.rss() / 1024)
    })

    it('profile finds a busy command', async () => {
      const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
      const ended = once(busy, 'close')
      const said = await runToEnd('profile', ['1']).finally(() => busy.kill())
      await ended
      expect(said).toMatch(/^sampling [1-9]\d* CPUs for 1 s$/m)
      expect(said).toMatch(/^ *[1-9]\d*\.\d % {2}(node|(node-)?MainThread)$/m)
    })

    it('profile says what is missing when perf_event_paranoid is 3 (Debian)', () =>
      withoutPerfEvents(async () => {
        const { complained, ended } = start('profile', ['1'])
        if ((await ended) === 0) expect(complained()).toBe('')
        else
          expect(complained()).toContain(
            'kernel.perf_event_paranoid is 3, and then perf events require CAP_SYS_ADMIN',
          )
      }))

    it('uprobe reports lookups of host names', async () => {
      await run('uprobe', [], {
        ready: /watching \S*libc\.so\.6:getaddrinfo; /,
        wanted: /^\S+ \(\d+\) looks up uprobe\.example$/m,
        happen: () => lookup('uprobe.example').catch(() => {}),
      })
      const own = new RegExp(`\\(${process.pid}\\) looks up own\\.example$`, 'm')
      await run('uprobe', [], { wanted: own, happen: () => lookup('own.example').catch(() => {}) })
    })

    it('uretprobe reports results and durations of lookups', async () => {
      await run('uretprobe', [], {
        ready: /watching \S*libc\.so\.6:getaddrinfo; /,
        wanted: new RegExp(
          `\\(${process.pid}\\): uretprobe\\.example (found|not found \\(error -\\d+\\)) after \\d+\\.\\d ms$`,
          'm',
        ),
        happen: () => lookup('uretprobe.example').catch(() => {}),
      })
    })

    requiresKernel('6.6', 'uprobe-multi counts the calls of many functions', async () => {
      await run('uprobe-multi', ['libc.so.6', 'getppid', 'getaddrinfo'], {
        ready: /watching 2 functions of \S*libc\.so\.6; /,
        wanted: /^ *[1-9]\d* {2}getaddrinfo$/m,
        happen: () => lookup('uprobe-multi.example').catch(() => {}),
      })
    })

    requiresKernel('6.13', 'uprobe-session measures calls with one program', async () => {
      await run('uprobe-session', ['0', 'libc.so.6', 'getppid', 'getaddrinfo'], {
        ready: /watching 2 functions of \S*libc\.so\.6; /,
        wanted: new RegExp(`\\(${process.pid}\\): getaddrinfo took \\d+\\.\\d{3} ms$`, 'm'),
        happen: () => lookup('uprobe-session.example').catch(() => {}),
      })
    })

    it('raw-tracepoint reports executions', async () => {
      const ended: Promise<unknown>[] = []
      await run('raw-tracepoint', [], {
        wanted: new RegExp(`\\(${process.pid}\\) sends SIGTERM to \\S+ \\(\\d+\\)$`, 'm'),
        happen: () => {
          const sleeping = spawn('sleep', ['1000'])
          ended.push(once(sleeping, 'close'))
          sleeping.kill()
        },
      })
      await Promise.all(ended)
    })

    it('tp-btf prints a histogram of waiting times', async () => {
      const said = await runToEnd('tp-btf', ['1'])
      expect(said).toMatch(/^watching for 1 s\n(< +\d+ us +[1-9]\d* {2}#+\n)+$/)
    })

    it('perf-counters counts cycles and instructions, or says that it cannot', async () => {
      const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
      const gone = once(busy, 'close')
      const { said, complained, ended } = start('perf-counters', ['1'])
      const status = await ended
      busy.kill()
      await gone
      if (status === 0) {
        expect(said()).toMatch(
          /^ *[1-9]\d* million cycles, +\d+\.\d\d instructions per cycle {2}node \(\d+\)$/m,
        )
      } else {
        // Virtual machines often have no hardware counters.
        expect(complained()).toMatch(/^attach .*: this machine has no such hardware counter .*\n$/)
      }
    })

    it('activity prints JSON lines', async () => {
      await run('activity', ['--json'], {
        ready: /^/,
        wanted: /"kind":"exec".*"comm":"true"[\s\S]*"kind":"open"/,
        happen: hurry,
        complains: /^activity: tracing; press Ctrl-C to stop\n$/,
      })
    })

    it('worker reads a ring buffer in a Worker', async () => {
      await run('worker', [], {
        file: 'main',
        ready: /^/,
        wanted: /^second \d+, spent busy: .*\btrue [1-9]/m,
        happen: hurry,
      })
    })

    it('replace switches versions on SIGHUP', async () => {
      let asked = false
      await run('replace', [], {
        ready: /process \d+ counts/,
        wanted: /now counting from user id 1000/,
        happen: (said) => {
          if (!asked) process.kill(Number(/process (\d+)/.exec(said)![1]), 'SIGHUP')
          asked = true
        },
      })
    })

    it('drop-privileges reads events without capabilities', async () => {
      await run('drop-privileges', [], {
        ready: /^uid 65534, capabilities 0+ 0+ 0+ 0+$/m,
        wanted: /^\d+ true, program number [1-9]/m,
        happen: hurry,
      })
    })

    requiresFeature('kprobes', 'kprobe reports connections', async () => {
      const server = createServer((socket) => socket.end('.')).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      try {
        const wanted = new RegExp(`\\(${process.pid}\\) connects to 127\\.0\\.0\\.1:${port}$`, 'm')
        await run('kprobe', [], {
          ready: /watching (__)?tcp_v4_connect/,
          wanted,
          happen: () => converse(port),
        })
      } finally {
        server.close()
        await once(server, 'close')
      }
    })

    requiresFeature('kprobes', 'kretprobe reports results of a function', async () => {
      const server = createServer((socket) => socket.end('.')).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      try {
        const wanted = new RegExp(
          `\\(${process.pid}\\) accepts a connection from 127\\.0\\.0\\.1 to port ${port}$`,
          'm',
        )
        await run('kretprobe', [], {
          ready: /watching inet_csk_accept/,
          wanted,
          happen: () => converse(port),
        })
      } finally {
        server.close()
        await once(server, 'close')
      }
    })

    requiresFeature('kprobes', 'ksyscall measures a system call', async () => {
      const file = openSync(new URL(import.meta.url), 'r')
      try {
        await run('ksyscall', [], {
          ready: /watching fsync/,
          wanted: new RegExp(`\\(${process.pid}\\): fsync took \\d+\\.\\d{3} ms and returned 0$`, 'm'),
          happen: () => fsyncSync(file),
        })
      } finally {
        closeSync(file)
      }
    })

    // The kernel side in C takes the function that newer kernels have in its place, and that in TypeScript cannot.
    if (kernelSide === 'C' || /\bdo_filp_open$/m.test(readFileSync('/proc/kallsyms', 'latin1')))
      requiresFeature('trampolines', 'fexit reports files that could not be opened', async () => {
        await run('fexit', [], {
          wanted: new RegExp(`\\(${process.pid}\\): ENOENT /no/such/file$`, 'm'),
          happen: () => expect(() => openSync('/no/such/file', 'r')).toThrow('ENOENT'),
        })
      })

    requiresFeature('trampolines', 'fmod-ret answers in place of a function', async () => {
      const sleeping = spawn('sleep', ['1000'])
      const ended = once(sleeping, 'close')
      try {
        await run('fmod-ret', [String(sleeping.pid)], {
          wanted: /^[1-9]\d* signals refused$/m,
          happen: () => expect(() => process.kill(sleeping.pid!, 'SIGKILL')).toThrow('EPERM'),
        })
      } finally {
        sleeping.kill('SIGKILL')
        expect(await ended).toEqual([null, 'SIGKILL'])
      }
    })

    requiresFeature('trampolines', 'freplace replaces a function of another program', async () => {
      let asked = false
      const [setpriv, ...nobody] = asNobody()
      const said = await run('freplace', ['65534'], {
        ready: /process \d+ reports/,
        wanted:
          /^user 0 runs true \(\d+\)\n[\s\S]*now reporting programs of user 65534 only\n[\s\S]*user 65534 runs true \(\d+\)\n/m,
        happen: (soFar) => {
          hurry()
          execFileSync(setpriv, [...nobody, 'true'])
          if (!asked && soFar.includes('user 0 runs true')) {
            process.kill(Number(/process (\d+)/.exec(soFar)![1]), 'SIGHUP')
            asked = true
          }
        },
      })
      // Records that were in the ring when the function was replaced come first.
      expect(said).toMatch(/(user 65534 runs true \(\d+\)\n)+$/)
    })

    requiresFeature(
      'lsm',
      'lsm-cgroup allows servers on loopback only',
      async () => {
        const bind = (address: string) =>
          execFileSync(
            'sh',
            [
              '-c',
              'echo $$ > "$2/cgroup.procs"; exec "$0" -e "$1"',
              process.execPath,
              binding(address),
              cgroup(),
            ],
            {
              encoding: 'utf8',
            },
          )
        const outcomes: string[] = []
        await run('lsm-cgroup', [cgroup()], {
          wanted: /^[1-9]\d* allowed, [1-9]\d* refused$/m,
          happen: () => outcomes.push(bind('127.0.0.1') + bind('0.0.0.0')),
        })
        expect(new Set(outcomes)).toEqual(new Set(['boundEPERM']))
      },
      '6.0',
    )

    requiresFeature('kprobes', 'fentry reports new tasks, by fentry or a kprobe', async () => {
      await run('fentry', [], {
        ready: /watching by_(fentry|kprobe), SEC/,
        wanted: new RegExp(`\\(${process.pid}\\) starts process \\d+$`, 'm'),
        happen: () => execFileSync('true'),
      })
    })

    requiresFeature('fprobe', 'kprobe-multi counts the calls of many functions', async () => {
      const said = await run('kprobe-multi', ['vfs_*', '1'], {
        ready: /counting \d* functions/,
        wanted: /\d+ {2}vfs_read$/m,
        happen: () => execFileSync('true'),
      })
      if (kernel.kernelIs('6.6')) expect(said).toMatch(/counting [1-9]\d+ functions/)
    })

    // At a fixed address: before Linux 5.15, other programs require a pid.
    const selling = useProgram(shop, ['-no-pie'])
    it('usdt reports visits of a static probe', async () => {
      await run('usdt', [selling(), 'shop', 'sold'], {
        wanted: /^program \(\d+\): 3, last -42$/m,
        happen: () => execFileSync(selling()),
      })
    })
  })
}
