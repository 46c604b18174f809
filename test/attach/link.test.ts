import { closeSync, openSync, readdirSync } from 'node:fs'
import { type BpfObject, Link } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs, requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { useBpffs, useCgroup, useTracefs } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

useTracefs()
const bpffs = useBpffs()
const cgroup = useCgroup()

const load = () => loadOnly('attach-trace', ['on_tracepoint', 'on_raw_tracepoint'])

describe('closeAll', () => {
  // As many as the kernel gets rid of in a few seconds: it waits for grace periods of RCU, by some 50 ms a link.
  it('closes many links, while the event loop goes on', async () => {
    using object = load()
    const links = readdirSync('/sys/kernel/tracing/events/syscalls')
      .filter((name) =>
        // All machines have these: younger ones have no mkdir(2), only mkdirat(2).
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

  it('takes links that are closed, twice the same, and none', async () => {
    using object = load()
    const link = object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    await Promise.all([Link.closeAll([link, link]), Link.closeAll([link]), link.closeAsync()])
    await Link.closeAll([])
    expect(thrownBy(() => link.fd)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('is what closeAsync of an object does', async () => {
    const object = load()
    object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    const closing = object.closeAsync()
    expect(object.closed).toBe(true)
    expect(() => object.program('on_raw_tracepoint').fd).toThrow('closed')
    await closing
    await object.closeAsync()
    object.close()
  })

  it('is how await using ends', async () => {
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

  // Before, a program is attached to a raw tracepoint only once.
  requiresKernel('6.10', 'goes on when the process ends', async () => {
    const ending = `const path = process.argv[1]; ${script}; process.exit(7)`
    expect(await runChild(ending, [objectPath('attach-trace')])).toMatchObject({ status: 7, stderr: '' })
  })

  requiresKernel('6.10', 'and attaching, too, when a Worker ends', async () => {
    // The process goes on, and would keep what the Worker forgot.
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
})

describe('links of kernel functions', () => {
  const runs = (object: BpfObject): bigint => (object.bss.seen as { runs: bigint }).runs

  requiresFeature('kprobes', 'are closed on the pool, dozens of them', async () => {
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

  requiresFeature(
    'kprobes',
    'of a kprobe are pinned and had again, and keep their program',
    () => {
      using object = loadOnly('attach-trace', ['on_kernel_call', 'on_kernel_call_again'])
      const link = object.program('on_kernel_call').attachKprobe('iterate_dir')
      link.pin(bpffs('kprobe'))
      link.close()
      const before = runs(object)
      readdirSync('/')
      expect(runs(object)).toBeGreaterThan(before)
      using pinned = Link.fromPin(bpffs('kprobe'))
      expect(pinned.info()).toMatchObject({
        type: 'perf_event',
        programId: object.program('on_kernel_call').id,
      })
      expect(() => pinned.update(object.program('on_kernel_call_again'))).toThrow(
        /links of this kind (keep their program|cannot do that)/,
      )
      expect(() => pinned.detach()).toThrow('links of this kind cannot do that')
      pinned.unpin()
    },
    '5.15',
  )

  requiresFeature('trampolines', 'of fentry are pinned and had again, and keep their program', () => {
    using object = loadOnly('attach-kernel', ['by_fentry', 'on_entry'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    const link = object.program('by_fentry').attachTracing()
    link.pin(bpffs('fentry'))
    link.close()
    readdirSync('/')
    expect(object.bss.runs).toBeGreaterThan(0n)
    using pinned = Link.fromPin(bpffs('fentry'))
    if (kernelIs('5.8')) expect(pinned.info()).toMatchObject({ type: 'tracing', attachType: 'trace_fentry' })
    expect(() => pinned.update(object.program('on_entry'))).toThrow(
      /links of this kind (keep their program|cannot do that)/,
    )
    expect(() => pinned.detach()).toThrow('links of this kind cannot do that')
    pinned.unpin()
  })
})

describe('a link from elsewhere', () => {
  requiresKernel('5.8', 'comes by id, by descriptor and by its pin, and is one and the same', () => {
    using object = loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
    const link = object.program('cgroup_egress').attachCgroup(cgroup())
    const { id } = link.info()
    link.pin(bpffs('link'))
    expect(link.pinPath).toBe(bpffs('link'))
    using pinned = Link.fromPin(bpffs('link'))
    using byFd = Link.fromFd(pinned.fd)
    using byId = Link.fromId(id)
    for (const other of [pinned, byFd, byId]) expect(other.info()).toEqual(link.info())
    byId.update(object.program('cgroup_egress_second'))
    expect(link.info().programId).toBe(object.program('cgroup_egress_second').id)
    link.unpin()
    expect(link.pinPath).toBeUndefined()
    link.close()
    expect(byId.info().id).toBe(id)
  })

  it('has to be a link', () => {
    using object = load()
    expect(() => Link.fromFd(object.program('on_tracepoint').fd)).toThrow('it is something else than a link')
    const fd = openSync('/dev/null', 'r')
    expect(() => Link.fromFd(fd)).toThrow('it is something else than a link')
    closeSync(fd)
    expect(thrownBy(() => Link.fromFd(1_000_000))).toMatchObject({ code: 'EBADF' })
    expect(thrownBy(() => Link.fromId(2 ** 31))).toMatchObject({ code: 'ENOENT' })
    object.program('on_tracepoint').pin(bpffs('program'))
    expect(() => Link.fromPin(bpffs('program'))).toThrow('it is something else than a link')
    object.program('on_tracepoint').unpin(bpffs('program'))
  })

  it('is pinned into a BPF file system only', () => {
    using object = loadOnly('attach-net', ['cgroup_egress'])
    using link = object.program('cgroup_egress').attachCgroup(cgroup())
    expect(() => link.pin('/tmp/libbpf-node-link')).toThrow(
      '/tmp/libbpf-node-link is not on a BPF file system',
    )
  })
})
