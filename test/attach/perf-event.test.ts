import { readFileSync } from 'node:fs'
import { onlineCpus } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { loadOnly } from './surroundings.js'

interface Seen {
  runs: bigint
  cookie: bigint
}

const load = (wanted = 0) =>
  loadOnly('attach-trace', ['on_tick'], (object) => {
    object.rodata.wanted = wanted
  })

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('attachPerfEvent', () => {
  it('samples a process with the clock', async () => {
    using object = load(process.pid)
    using link = object
      .program('on_tick')
      .attachPerfEvent({ event: 'cpu-clock', period: 1_000_000, pid: process.pid })
    await until('it has run', () => {
      work(20)
      return (object.bss.seen as Seen).runs > 3n
    })
    link.close()
    const { runs } = object.bss.seen as Seen
    work(20)
    expect((object.bss.seen as Seen).runs).toBe(runs)
  })

  it('samples with the stacks of the process and of the kernel', async () => {
    using object = loadOnly('attach-trace', ['on_tick_with_stacks'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    using _link = object
      .program('on_tick_with_stacks')
      .attachPerfEvent({ event: 'cpu-clock', period: 500_000, pid: process.pid })
    await until('it was seen in its own code and in the kernel', () => {
      for (let i = 0; i < 100; i++) readFileSync('/proc/self/maps')
      return object.data.user_stack !== -1n && object.data.kernel_stack !== -1n
    })
    const stacks = object.map<number, bigint[]>('stacks')
    const addresses = (id: bigint): bigint[] => stacks.get(Number(id))!
    // Kernel addresses are in the upper half of the address space.
    const user = addresses(object.data.user_stack as bigint)
    const kernel = addresses(object.data.kernel_stack as bigint)
    expect(user.length).toBeGreaterThan(0)
    expect(user.every((address) => address >> 63n === 0n)).toBe(true)
    expect(kernel.length).toBeGreaterThan(0)
    expect(kernel.every((address) => address >> 63n === 1n)).toBe(true)
  })

  it('counts with the hardware, or explains that there is no such counter', async () => {
    using object = load()
    try {
      using link = object
        .program('on_tick')
        .attachPerfEvent({ event: 'instructions', period: 1_000_000, pid: process.pid })
      await until('it has run', () => {
        work(20)
        return (object.bss.seen as Seen).runs > 0n
      })
      expect(link.closed).toBe(false)
    } catch (error) {
      expect(error).toMatchObject({
        code: 'ENOENT',
        operation: 'perf_event_open',
        message: expect.stringContaining('this machine has no such hardware counter'),
      })
    }
  })

  requiresKernel('5.15', 'passes the cookie to the program', async () => {
    using object = load()
    using _link = object
      .program('on_tick')
      .attachPerfEvent({ event: { type: 1, config: 0 }, frequency: 500, cpu: onlineCpus()[0]!, cookie: 3 })
    await until('it has run', () => {
      work(20)
      return (object.bss.seen as Seen).runs > 0n
    })
    expect((object.bss.seen as Seen).cookie).toBe(3n)
  })

  it('samples on all CPUs, with a link for each', async () => {
    using object = load()
    const links = object.program('on_tick').attachPerfEventOnCpus({ event: 'cpu-clock', frequency: 500 })
    expect(links).toHaveLength(onlineCpus().length)
    expect(object.links.size).toBe(links.length)
    await until('it has run', () => {
      work(20)
      return (object.bss.seen as Seen).runs > 0n
    })
  })

  requiresKernel('6.6', 'is described by the info of its link', () => {
    using object = load()
    using link = object.program('on_tick').attachPerfEvent({ event: 'task-clock', period: 1e9, cpu: 0 })
    expect(link.info()).toMatchObject({ type: 'perf_event', event: 'event', perfConfig: 1n })
  })

  it('detaches all links if one CPU fails', () => {
    using object = load()
    const attach = () =>
      object.program('on_tick').attachPerfEventOnCpus({ event: 'cpu-clock', frequency: 99 }, [0, 100_000])
    expect(attach).toThrow("perf event 'cpu-clock' on CPU 100000")
    expect(object.links.size).toBe(0)
  })

  it('requires an event, a period or frequency, and a process or CPU', () => {
    using object = load()
    const program = object.program('on_tick')
    const event = 'cpu-clock'
    // @ts-expect-error not an event
    expect(() => program.attachPerfEvent({ event: 'cpu-clocks', period: 1, cpu: 0 })).toThrow(
      "perf event 'cpu-clocks' does not exist",
    )
    // @ts-expect-error no event
    expect(() => program.attachPerfEvent({ period: 1, cpu: 0 })).toThrow(
      "event is not a name, such as 'cpu-clock'",
    )
    expect(() => program.attachPerfEvent({ event, cpu: 0 })).toThrow(TypeError)
    expect(() => program.attachPerfEvent({ event, period: 1, frequency: 1, cpu: 0 })).toThrow(TypeError)
    expect(() => program.attachPerfEvent({ event, period: 0, cpu: 0 })).toThrow(RangeError)
    expect(() => program.attachPerfEvent({ event, period: 1000 })).toThrow(TypeError)
  })
})
