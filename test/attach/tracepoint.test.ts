import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

useTracefs()

interface Seen {
  runs: bigint
  cookie: bigint
}

describe('attachTracepoint', () => {
  requiresKernel('5.15', 'runs the program, which can read its cookie', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    using link = object
      .program('on_tracepoint')
      .attachTracepoint('syscalls', 'sys_enter_getdents64', { cookie: 2n ** 64n - 1n })
    readdirSync('/')
    const seen = object.bss.seen as Seen
    expect(seen.runs).toBeGreaterThan(0n)
    expect(seen.cookie).toBe(2n ** 64n - 1n)
    expect(link.target).toBe('syscalls/sys_enter_getdents64')
    link.close()
    const { runs } = object.bss.seen as Seen
    readdirSync('/')
    expect((object.bss.seen as Seen).runs).toBe(runs)
  })

  requiresKernel('6.6', 'is described by the info of its link', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint'])
    using link = object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch')
    expect(link.info()).toMatchObject({ type: 'perf_event', event: 'tracepoint', name: 'sched_switch' })
  })

  it('proposes similar names for one that does not exist', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint'])
    const error = thrownBy(() => object.program('on_tracepoint').attachTracepoint('sched', 'sched_swich'))
    expect(error).toMatchObject({
      code: 'ENOENT',
      program: 'on_tracepoint',
      target: 'sched/sched_swich',
      message:
        "attach program 'on_tracepoint' to tracepoint 'sched/sched_swich': no such tracepoint 'sched/sched_swich'; did you mean 'sched_switch'? (ENOENT)",
    })
  })

  it('requires a loaded program', () => {
    using object = loadOnly('attach-trace', [])
    expect(() => object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch')).toThrow(
      "program 'on_tracepoint' is not in the kernel",
    )
  })

  it('accepts only cookies that fit 64 bits', () => {
    using object = loadOnly('attach-trace', ['on_tracepoint'])
    for (const cookie of [-1, 2n ** 64n]) {
      const attach = () =>
        object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch', { cookie })
      expect(attach).toThrow(RangeError)
    }
  })
})

describe('attachRawTracepoint', () => {
  it('runs the program', () => {
    using object = loadOnly('attach-trace', ['on_raw_tracepoint'])
    using link = object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exec')
    execFileSync('true')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
    expect(link.info()).toMatchObject({ type: 'raw_tracepoint', name: 'sched_process_exec' })
  })

  requiresKernel('6.10', 'runs the program, which can read its cookie', () => {
    using object = loadOnly('attach-trace', ['on_raw_tracepoint_with_cookie'])
    using _link = object
      .program('on_raw_tracepoint_with_cookie')
      .attachRawTracepoint('sched_process_exec', { cookie: 5 })
    execFileSync('true')
    expect((object.bss.seen as Seen).cookie).toBe(5n)
  })

  it('proposes similar names for one that does not exist', () => {
    using object = loadOnly('attach-trace', ['on_raw_tracepoint'])
    const attach = () => object.program('on_raw_tracepoint').attachRawTracepoint('sched_process_exc')
    expect(attach).toThrow("no such raw tracepoint; did you mean 'sched_process_exec'")
  })
})

describe('attachTracing', () => {
  requiresKernel('5.5', 'runs a tp_btf program', () => {
    using object = loadOnly('attach-trace', ['on_exec'])
    using _link = object.program('on_exec').attachTracing()
    execFileSync('true')
    expect((object.bss.seen as Seen).runs).toBeGreaterThan(0n)
  })

  requiresKernel('6.10', 'runs a tp_btf program, which can read its cookie', () => {
    using object = loadOnly('attach-trace', ['on_exec_with_cookie'])
    using _link = object.program('on_exec_with_cookie').attachTracing({ cookie: 9n })
    execFileSync('true')
    expect((object.bss.seen as Seen).cookie).toBe(9n)
  })
})
