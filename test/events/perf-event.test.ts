import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { onlineCpus, PerfEvent } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly, useProgram } from '../attach/surroundings.js'
import { counterProgram, requiresBreakpoints } from '../helpers/breakpoints.js'
import { thrownBy } from '../helpers/objects.js'
import { useCgroup, useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { until } from '../helpers/until.js'

useTracefs()
const cgroup = useCgroup()

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('PerfEvent', () => {
  it('counts while it is enabled', () => {
    using event = PerfEvent.open({ event: 'task-clock', pid: process.pid, enabled: false })
    work(5)
    expect(event.read()).toEqual({ value: 0n, enabled: 0n, running: 0n })
    event.enable()
    work(5)
    const first = event.read()
    expect(first.value).toBeGreaterThan(1_000_000n)
    expect(first.running).toBe(first.enabled)
    event.disable()
    const { value } = event.read()
    work(5)
    expect(event.read().value).toBe(value)
    event.reset()
    expect(event.read().value).toBe(0n)
  })

  it('counts only what is not excluded', () => {
    const faults = (exclude: readonly ('user' | 'kernel')[]) =>
      PerfEvent.open({ event: 'page-faults', pid: process.pid, exclude })
    using all = faults([])
    using inKernel = faults(['user'])
    // Memory of 64 MiB that nobody has touched, written by code in user space.
    const bytes = new Uint8Array(1 << 26)
    for (let i = 0; i < bytes.length; i += 4096) bytes[i] = 1
    const [total, kernel] = [all.read().value, inKernel.read().value]
    expect(total).toBeGreaterThan(10n)
    expect(kernel).toBeLessThan(total / 2n)
  })

  it('counts a tracepoint, by its name or its number', async () => {
    const id = Number(readFileSync('/sys/kernel/tracing/events/sched/sched_switch/id', 'utf8'))
    const [cpu = 0] = onlineCpus()
    using byName = PerfEvent.open({ event: { tracepoint: 'sched/sched_switch' }, cpu })
    using byNumber = PerfEvent.open({ event: { tracepoint: id }, cpu })
    await until('there was a switch', async () => {
      await sleep(1)
      return byName.read().value > 0n && byNumber.read().value > 0n
    })
    expect(() => PerfEvent.open({ event: { tracepoint: 'sched/sched_swich' }, cpu })).toThrow(
      "no such tracepoint 'sched/sched_swich'; did you mean 'sched_switch'",
    )
  })

  const perCgroup = (): boolean => {
    try {
      PerfEvent.open({ event: 'task-clock', cpu: 0, cgroup: '/sys/fs/cgroup' }).close()
      return true
    } catch {
      return false
    }
  }
  // Kernels of guests have no clocks of cgroups.
  const itHere = slowness === 1 && perCgroup() ? it : () => {}
  itHere('counts what the processes of a cgroup do', async () => {
    using events = {
      all: PerfEvent.openOnCpus({ event: 'task-clock', cgroup: cgroup() }),
      [Symbol.dispose]() {
        for (const event of this.all) event.close()
      },
    }
    const sum = () => events.all.reduce((total, event) => total + event.read().value, 0n)
    work(20)
    expect(sum()).toBe(0n)
    const script = 'const end = Date.now() + 50; while (Date.now() < end);'
    const child = spawn('sh', [
      '-c',
      `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`,
      process.execPath,
      script,
    ])
    await once(child, 'exit')
    expect(sum()).toBeGreaterThan(0n)
  })

  it('is read by programs from a perf_event_array', async () => {
    using object = loadOnly('counters', ['read_counter'])
    const map = object.map<number, number>('counters')
    const events = PerfEvent.openOnCpus({ event: 'task-clock' })
    try {
      for (const { cpu, fd } of events) map.set(cpu!, fd)
      // The map keeps the events, so their descriptors are not needed any more.
      for (const event of events) event.close()
      const link = object
        .program('read_counter')
        .attachPerfEvent({ event: 'cpu-clock', period: 1_000_000, pid: process.pid })
      await until('it has read twice', () => {
        work(20)
        return (object.bss.reads as bigint) > 1n
      })
      // The three numbers are those of one reading.
      link.close()
      expect(object.bss).toMatchObject({ error: 0n })
      const { counter, enabled, running } = object.bss as Record<string, bigint>
      expect(counter).toBeGreaterThan(0n)
      expect(enabled).toBeGreaterThanOrEqual(running!)
      map.delete(events[0]!.cpu!)
    } finally {
      for (const event of events) event.close()
    }
  })

  it('has a program attached by its descriptor', async () => {
    using object = loadOnly('attach-trace', ['on_tick'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    const program = object.program('on_tick')
    const event = PerfEvent.open({ event: 'cpu-clock', pid: process.pid, period: 1_000_000 })
    using link = program.attachPerfEvent({ fd: event.fd })
    expect(thrownBy(() => program.attachPerfEvent(event))).toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('the event has a program already'),
    })
    event.close()
    const runs = () => (object.bss.seen as { runs: bigint }).runs
    await until('it has run', () => {
      work(20)
      return runs() > 1n
    })
    link.close()
    const before = runs()
    work(10)
    expect(runs()).toBe(before)
    expect(() => event.fd).toThrow("perf event 'cpu-clock' is closed")
    event.close()
  })

  it('refuses what cannot be opened', () => {
    const here = { pid: process.pid }
    expect(() => PerfEvent.open({ event: 'task-clock' })).toThrow('pid or cpu is required')
    expect(() => PerfEvent.open({ event: 'task-clock', cgroup: cgroup() })).toThrow('cgroup requires cpu')
    // @ts-expect-error not a name
    expect(() => PerfEvent.open({ event: 'task-clok', ...here })).toThrow(
      "perf event 'task-clok' does not exist",
    )
    // @ts-expect-error not a name
    expect(() => PerfEvent.open({ event: 'task-clock', exclude: ['users'], ...here })).toThrow(
      "exclude 'users'",
    )
    expect(() => PerfEvent.open({ event: { breakpoint: 4097, on: 'write' }, ...here })).toThrow('not aligned')
    expect(() => PerfEvent.open({ event: 'cpu-clock', cgroup: '/tmp', cpu: 0 })).toThrow(
      'it is not a folder of a cgroup v2 file system',
    )
    expect(() => PerfEvent.open({ event: 'task-clock', pid: 2 ** 22 - 1 })).toThrow('no such process')
  })
})

describe('a hardware breakpoint', () => {
  const program = useProgram(counterProgram)

  requiresBreakpoints('runs a program at each write to a variable of a process', async () => {
    const child = spawn(program(), { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const address = BigInt(line.toString().trim())
      using object = loadOnly('attach-trace', ['on_tick'], (opened) => {
        opened.rodata.wanted = child.pid!
      })
      using link = object.program('on_tick').attachPerfEvent({
        event: { breakpoint: address, on: 'write', length: 8 },
        pid: child.pid!,
      })
      expect(link.target).toBe(`breakpoint 0x${address.toString(16)}`)
      child.stdin.end('wwwq')
      await once(child, 'exit')
      expect((object.bss.seen as { runs: bigint }).runs).toBe(3n)
    } finally {
      child.kill()
    }
  })
})
