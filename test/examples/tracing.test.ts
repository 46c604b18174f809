// Each example of tracing does what it says. What activity, drop-privileges, replace and worker do beyond that has test files of its own.
import { execFileSync, spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { shop, useProgram } from '../attach/surroundings.js'
import { converse, useExamples } from '../helpers/example.js'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()
const { run, runToEnd } = useExamples()

const hurry = (): unknown => execFileSync('true')

describe('examples of tracing', () => {
  it('iter', async () => {
    const lines = (await runToEnd('iter')).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(line).toMatch(/^ +\d+ +\d+ +\d+ KiB {2}\S/)
    const sizes = lines.map((line) => Number(/(\d+) KiB/.exec(line)![1]))
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    expect(sizes[0]).toBeGreaterThan(process.memoryUsage.rss() / 1024)
  })

  it('profile', async () => {
    const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
    const ended = once(busy, 'close')
    const said = await runToEnd('profile', ['1']).finally(() => busy.kill())
    await ended
    expect(said).toMatch(/^sampling [1-9]\d* CPUs for 1 s$/m)
    expect(said).toMatch(/^ *[1-9]\d*\.\d % {2}node$/m)
  })

  it('uprobe', async () => {
    await run('uprobe', [], {
      ready: /watching \S*libc\.so\.6:getaddrinfo; /,
      wanted: /^\S+ \(\d+\) looks up uprobe\.example$/m,
      happen: () => lookup('uprobe.example').catch(() => {}),
    })
    const own = new RegExp(`\\(${process.pid}\\) looks up own\\.example$`, 'm')
    await run('uprobe', [], { wanted: own, happen: () => lookup('own.example').catch(() => {}) })
  })

  it('activity', async () => {
    await run('activity', ['--json'], {
      ready: /^/,
      wanted: /"kind":"exec".*"comm":"true"[\s\S]*"kind":"open"/,
      happen: hurry,
      complains: /^activity: tracing; Ctrl-C ends\n$/,
    })
  })

  it('worker', async () => {
    await run('worker', [], {
      file: 'main',
      ready: /^/,
      wanted: /^second \d+, all of it busy: .*\btrue [1-9]/m,
      happen: hurry,
    })
  })

  it('replace', async () => {
    let asked = false
    await run('replace', [], {
      ready: /process \d+ counts/,
      wanted: /now from user id 1000 on/,
      happen: (said) => {
        if (!asked) process.kill(Number(/process (\d+)/.exec(said)![1]), 'SIGHUP')
        asked = true
      },
    })
  })

  it('drop-privileges', async () => {
    await run('drop-privileges', [], {
      ready: /^uid 65534, capabilities 0+ 0+ 0+ 0+$/m,
      wanted: /^\d+ true, number [1-9]/m,
      happen: hurry,
    })
  })

  requiresFeature('kprobes', 'kprobe', async () => {
    const server = createServer((socket) => socket.end('.')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    try {
      const wanted = new RegExp(`\\(${process.pid}\\) connects to 127\\.0\\.0\\.1:${port}$`, 'm')
      await run('kprobe', [], { ready: /watching (__)?tcp_v4_connect/, wanted, happen: () => converse(port) })
    } finally {
      server.close()
      await once(server, 'close')
    }
  })

  requiresFeature('kprobes', 'fentry', async () => {
    await run('fentry', [], {
      ready: /watching by_(fentry|kprobe), SEC/,
      wanted: new RegExp(`\\(${process.pid}\\) begins process \\d+$`, 'm'),
      happen: () => execFileSync('true'),
    })
  })

  requiresFeature('fprobe', 'kprobe-multi', async () => {
    const said = await run('kprobe-multi', ['vfs_*', '1'], {
      ready: /counting \d* functions/,
      wanted: /\d+ {2}vfs_read$/m,
      happen: () => execFileSync('true'),
    })
    if (kernelIs('6.6')) expect(said).toMatch(/counting [1-9]\d+ functions/)
  })

  const selling = useProgram(shop)
  it('usdt', async () => {
    await run('usdt', [selling(), 'shop', 'sold'], {
      wanted: /^program \(\d+\): 3, last -42$/m,
      happen: () => execFileSync(selling()),
    })
  })
})
