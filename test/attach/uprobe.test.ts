import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { open, thrownBy } from '../helpers/objects.js'
import { useBpffs, useTracefs } from '../helpers/privileged.js'
import { loadOnly, useProgram } from './surroundings.js'

useTracefs()
const pin = useBpffs()

const program = useProgram(`
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) int triple(int n) { __asm__(""); return 3 * n; }
__attribute__((noinline)) int tripod(int n) { __asm__(""); return n + 3; }
int main(int argc, char** argv) {
  // With an argument, it calls them once per line of input.
  do {
    printf("%d\\n", triple(7) + tripod(8));
    fflush(stdout);
  } while (argc > 1 && getchar() != EOF);
}
`)

const counting = useProgram(`
#include <stdio.h>
__attribute__((section(".probes"))) volatile struct { char mark[20]; unsigned short counter; } semaphore = {"the counter is here"};
int main() { printf("%d\\n", semaphore.counter); }
`)

interface Seen {
  runs: bigint
  cookie: bigint
  argument: bigint
}

const load = (name: string) => loadOnly('attach-trace', [name])
const seenBy = (object: { bss: { [name: string]: unknown } }): Seen => object.bss.seen as Seen

describe('attachUprobe', () => {
  it('runs when the function is called, and can read its arguments', () => {
    using object = load('on_call')
    using link = object.program('on_call').attachUprobe(program(), { symbol: 'triple' })
    execFileSync(program())
    expect(seenBy(object)).toMatchObject({ runs: 1n, argument: 7n })
    link.close()
    execFileSync(program())
    expect(seenBy(object).runs).toBe(1n)
  })

  it('runs when the function returns', () => {
    using object = load('on_call')
    using _link = object.program('on_call').attachUprobe(program(), { symbol: 'triple', retprobe: true })
    execFileSync(program())
    expect(seenBy(object).runs).toBe(1n)
  })

  requiresKernel('5.15', 'passes the cookie to the program', () => {
    using object = load('on_call')
    using _link = object.program('on_call').attachUprobe(program(), { symbol: 'tripod', cookie: 99 })
    execFileSync(program())
    expect(seenBy(object)).toMatchObject({ runs: 1n, argument: 8n, cookie: 99n })
  })

  requiresKernel('6.6', 'is described by the info of its link, and attaches to an offset, too', () => {
    using object = load('on_call')
    using link = object.program('on_call').attachUprobe(program(), { symbol: 'triple' })
    const info = link.info()
    expect(info).toMatchObject({ type: 'perf_event', event: 'uprobe', name: program() })
    if (info.type !== 'perf_event' || info.event !== 'uprobe') throw new Error('not a uprobe')
    link.close()
    using _again = object.program('on_call').attachUprobe(program(), { offset: info.offset })
    execFileSync(program())
    expect(seenBy(object)).toMatchObject({ runs: 1n, argument: 7n })
  })

  it('says that a perf event without a link cannot be pinned', () => {
    using object = load('on_call')
    using link = object.program('on_call').attachUprobe(program(), { symbol: 'triple', mode: 'perf' })
    expect(() => link.pin(pin('probe'))).toThrow('the program is attached without a kernel link')
  })

  it('attaches in each mode', () => {
    using object = load('on_call')
    let runs = 0n
    for (const mode of ['default', 'legacy', 'perf'] as const) {
      using _link = object.program('on_call').attachUprobe(program(), { symbol: 'triple', mode })
      execFileSync(program())
      runs += 1n
      expect(seenBy(object).runs).toBe(runs)
    }
  })

  it('finds a library by its name and its exported functions although it is stripped', () => {
    using object = loadOnly('attach-trace', ['on_call'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    using link = object.program('on_call').attachUprobe('libc.so.6', { symbol: 'getppid' })
    expect(process.ppid).toBeGreaterThan(0)
    expect(seenBy(object).runs).toBeGreaterThan(0n)
    expect(link.target).toMatch(/^\/.*libc\.so\.6:getppid$/)
  })

  it('runs only for the given process, and finds the library that it has mapped', async () => {
    const one = spawn(program(), ['wait'])
    const two = spawn(program(), ['wait'])
    try {
      await Promise.all([once(one.stdout, 'data'), once(two.stdout, 'data')])
      using object = load('on_call')
      using _link = object.program('on_call').attachUprobe(program(), { symbol: 'triple', pid: one.pid! })
      for (const child of [one, two]) {
        child.stdin.write('\n')
        await once(child.stdout, 'data')
      }
      expect(seenBy(object).runs).toBe(1n)
      using mapped = object.program('on_call').attachUprobe('libc.so.6', { symbol: 'getchar', pid: one.pid! })
      expect(mapped.target).toMatch(new RegExp(`^/proc/${one.pid}/root/.*libc\\.so\\.6:getchar$`))
    } finally {
      one.kill()
      two.kill()
      await Promise.all([one, two].map((child) => child.exitCode ?? once(child, 'close')))
    }
  })

  it('attaches to a file of another mount namespace through /proc/PID/root', async () => {
    // A folder that is empty in all other mount namespaces.
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const script = `mount -t tmpfs tmpfs ${folder} && cp ${program()} ${folder}/inside && exec ${folder}/inside wait`
    const child = spawn('unshare', ['--mount', 'sh', '-c', script])
    try {
      await once(child.stdout, 'data')
      expect(existsSync(join(folder, 'inside'))).toBe(false)
      using object = load('on_call')
      const path = `/proc/${child.pid}/root${folder}/inside`
      using _link = object.program('on_call').attachUprobe(path, { symbol: 'triple' })
      child.stdin.write('\n')
      await once(child.stdout, 'data')
      expect(seenBy(object)).toMatchObject({ runs: 1n, argument: 7n })
      // The name is enough, because the process has the file mapped.
      using named = object.program('on_call').attachUprobe('inside', { symbol: 'tripod', pid: child.pid! })
      expect(named.target).toBe(`${path}:tripod`)
      child.stdin.write('\n')
      await once(child.stdout, 'data')
      expect(seenBy(object).runs).toBe(3n)
    } finally {
      child.kill()
      await (child.exitCode ?? once(child, 'close'))
      rmSync(folder, { recursive: true })
    }
  })

  requiresKernel('4.20', 'increments a counter in the process while it is attached', () => {
    using object = load('on_call')
    // The position of the counter in the file.
    const refCtrOffset = readFileSync(counting()).indexOf('the counter is here') + 20
    const counted = () => Number(execFileSync(counting(), { encoding: 'utf8' }))
    expect(counted()).toBe(0)
    for (const mode of ['default', 'perf'] as const) {
      using link = object.program('on_call').attachUprobe(counting(), { symbol: 'main', refCtrOffset, mode })
      expect(counted()).toBe(1)
      link.close()
      expect(counted()).toBe(0)
    }
    expect(seenBy(object).runs).toBe(2n)
    const legacy = { symbol: 'main', refCtrOffset, mode: 'legacy' } as const
    expect(() => object.program('on_call').attachUprobe(counting(), legacy)).toThrow(
      "probes in mode 'legacy' cannot have a counter (refCtrOffset)",
    )
  })

  requiresKernel('5.15', 'attaches with a perf event and a link', () => {
    using object = load('on_call')
    using link = object.program('on_call').attachUprobe(program(), { symbol: 'triple', mode: 'link' })
    execFileSync(program())
    expect(seenBy(object).runs).toBe(1n)
    expect(link.info()).toMatchObject({ type: 'perf_event' })
  })

  it('explains a missing function, file or process', () => {
    using object = load('on_call')
    const attach = (binary: string, options: { symbol: string; pid?: number }) =>
      (thrownBy(() => object.program('on_call').attachUprobe(binary, options)) as Error).message
    expect(attach(program(), { symbol: 'quadruple' })).toContain("it has no function 'quadruple'")
    expect(attach('/no/such/file', { symbol: 'f' })).toContain(
      '/no/such/file does not exist or cannot be read',
    )
    expect(attach('libnone.so.1', { symbol: 'f' })).toContain('no program or library of that name')
    expect(attach(program(), { symbol: 'triple', pid: 2 ** 22 - 1 })).toContain('no such process')
  })

  it('requires a symbol or an offset, and a valid process id', () => {
    using object = load('on_call')
    expect(() => object.program('on_call').attachUprobe(program(), {})).toThrow(TypeError)
    expect(() => object.program('on_call').attachUprobe(program(), { symbol: 'triple', pid: -1 })).toThrow(
      TypeError,
    )
  })
})

describe('attachUprobeMulti', () => {
  requiresKernel('6.6', 'attaches to all functions that match a pattern', async () => {
    using object = load('on_calls')
    using link = await object.program('on_calls').attachUprobeMulti(program(), { pattern: 'trip*' })
    execFileSync(program())
    expect(seenBy(object).runs).toBe(2n)
    expect(link.closed).toBe(false)
  })

  requiresKernel('6.8', 'passes a cookie for each function, and the link knows all of them', () => {
    using object = load('on_calls')
    const symbols = ['triple', 'tripod']
    using link = object.program('on_calls').attachUprobeMultiSync(program(), { symbols, cookies: [5, 6] })
    execFileSync(program())
    expect(seenBy(object)).toMatchObject({ runs: 2n, cookie: 6n })
    const info = link.info()
    if (info.type !== 'uprobe_multi') throw new Error('not a uprobe_multi')
    expect(info).toMatchObject({ count: 2, path: program(), cookies: BigUint64Array.of(5n, 6n) })
    link.close()
    using _again = object
      .program('on_calls')
      .attachUprobeMultiSync(program(), { offsets: [info.offsets[1]!] })
    execFileSync(program())
    expect(seenBy(object).runs).toBe(3n)
  })

  requiresKernel('6.6', 'finds exported functions of a stripped library', async () => {
    using object = load('on_calls')
    using link = await object
      .program('on_calls')
      .attachUprobeMulti('libc.so.6', { symbols: ['getppid'], pid: process.pid })
    expect(process.ppid).toBeGreaterThan(0)
    expect(seenBy(object).runs).toBeGreaterThan(0n)
    expect(link.closed).toBe(false)
  })

  requiresKernel('6.13', 'runs at the call and at the return in a session', () => {
    using object = load('on_call_and_return')
    using _link = object
      .program('on_call_and_return')
      .attachUprobeMultiSync(program(), { symbols: ['triple'], session: true })
    execFileSync(program())
    expect(seenBy(object).runs).toBe(1n)
    expect(object.bss.returns).toBe(1n)
  })

  requiresKernel('6.6', 'leaves nothing attached if the object is closed meanwhile', async () => {
    const object = load('on_calls')
    const attaching = object.program('on_calls').attachUprobeMulti(program(), { pattern: 'trip*' })
    object.close()
    await expect(attaching).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  requiresKernel('6.6', 'refuses to unload the program while it is being attached', async () => {
    using object = load('on_calls')
    const attaching = object.program('on_calls').attachUprobeMulti(program(), { pattern: 'trip*' })
    expect(() => object.program('on_calls').unload()).toThrow(
      expect.objectContaining({ code: 'ERR_BPF_BUSY' }),
    )
    await using link = await attaching
    expect(link.closed).toBe(false)
  })

  it('requires arrays of the same length', async () => {
    using object = open('attach-trace')
    object.program('on_calls').autoload = true
    object.loadSync()
    const uprobe = object.program('on_calls')
    const symbols = ['triple', 'tripod']
    await expect(uprobe.attachUprobeMulti(program(), { symbols, cookies: [1] })).rejects.toThrow(RangeError)
    await expect(uprobe.attachUprobeMulti(program(), { symbols, refCtrOffsets: [1] })).rejects.toThrow(
      RangeError,
    )
    await expect(
      uprobe.attachUprobeMulti(program(), { symbols, retprobe: true, session: true }),
    ).rejects.toThrow(TypeError)
  })
})
