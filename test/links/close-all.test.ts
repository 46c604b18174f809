import { readdirSync } from 'node:fs'
import { type BpfObject, Link } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly } from '../attach/surroundings.js'
import { runChild } from '../helpers/child.js'
import { requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()

const load = () => loadOnly('attach-trace', ['on_tracepoint', 'on_raw_tracepoint'])
const runs = (object: BpfObject): bigint => (object.bss.seen as { runs: bigint }).runs

describe('Link.closeAll', () => {
  // The kernel needs about 50 ms per link, because it waits for grace periods of RCU. So this is not a larger number.
  it('closes many links without blocking the event loop', async () => {
    using object = load()
    const links = readdirSync('/sys/kernel/tracing/events/syscalls')
      .filter((name) =>
        // System calls of every architecture: newer ones have mkdirat(2), but no mkdir(2).
        /^sys_e\w+_(getdents64|lseek|fchmod|fchmodat|fchown|fchownat|mkdirat|linkat|symlinkat|unlinkat)$/.test(
          name,
        ),
      )
      .map((name) => object.program('on_tracepoint').attachTracepoint('syscalls', name))
    expect(links.length).toBeGreaterThan(12)
    expect(object.links.size).toBe(links.length)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const closing = Link.closeAll(links)
    expect(links.every((link) => link.closed)).toBe(true)
    expect(object.links.size).toBe(0)
    await closing
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
    const before = (object.bss.seen as { runs: bigint }).runs
    readdirSync('/')
    expect((object.bss.seen as { runs: bigint }).runs).toBe(before)
  })

  it('accepts closed links, duplicates and an empty list', async () => {
    using object = load()
    const link = object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    await Promise.all([Link.closeAll([link, link]), Link.closeAll([link]), link.closeAsync()])
    await Link.closeAll([])
    expect(thrownBy(() => link.fd)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('is what BpfObject.closeAsync uses', async () => {
    const object = load()
    object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    const closing = object.closeAsync()
    expect(object.closed).toBe(true)
    expect(() => object.program('on_raw_tracepoint').fd).toThrow('closed')
    await closing
    await object.closeAsync()
    object.close()
  })

  it('is what await using uses', async () => {
    await using object = load()
    await using link = object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    expect(link.closed).toBe(false)
  })

  const script = `
    const { BpfObject, Link } = await import('libbpf-node')
    const object = BpfObject.open(path)
    object.program('on_raw_tracepoint').autoload = true
    object.loadSync()
    const attach = () => object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    Link.closeAll(Array.from({ length: 50 }, attach))
    attach()
    object.close()
  `

  // Earlier kernels attach a program to a raw tracepoint only once.
  requiresKernel('6.10', 'can be running when the process ends', async () => {
    const ending = `const path = process.argv[1]; ${script}; process.exit(7)`
    expect(await runChild(ending, [objectPath('attach-trace')])).toMatchObject({ status: 7, stderr: '' })
  })

  requiresKernel('6.10', 'can be running, and attaching too, when a Worker ends', async () => {
    // The process lives on, so links that the Worker left would stay.
    const ending = `
      import { Worker } from 'node:worker_threads'
      import { ids } from 'libbpf-node'
      const before = [...ids('link')]
      for (let i = 0; i < 5; i++) {
        const worker = new Worker(process.argv[2], { eval: true, workerData: process.argv[1] })
        await new Promise((resolve) => worker.on('exit', resolve))
      }
      const left = () => [...ids('link')].filter((id) => !before.includes(id))
      for (let i = 0; i < 100 && left().length > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20))
      console.log(left().length)
    `
    const inWorker = `
      const path = (await import('node:worker_threads')).workerData
      ${script}
      const other = BpfObject.open(path)
      other.program('on_calls').autoload = true
      other.loadSync()
      other.program('on_calls').attachUprobeMulti('libc.so.6', { pattern: 'getp*' })
      process.exit()
    `
    const result = await runChild(ending, [objectPath('attach-trace'), inWorker])
    expect(result).toMatchObject({ status: 0, stdout: '0\n', stderr: '' })
  })

  requiresFeature('kprobes', 'closes dozens of kprobes without blocking the event loop', async () => {
    using object = loadOnly('attach-trace', ['on_kernel_call'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    const links = Array.from({ length: 40 }, () =>
      object.program('on_kernel_call').attachKprobe('iterate_dir'),
    )
    readdirSync('/')
    expect(runs(object)).toBeGreaterThanOrEqual(40n)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await Link.closeAll(links)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
    const before = runs(object)
    readdirSync('/')
    expect(runs(object)).toBe(before)
  })
})
