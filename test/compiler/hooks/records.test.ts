import { execFileSync } from 'node:child_process'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../../helpers/privileged.js'

useTracefs()

describe('the record of a tracepoint', () => {
  it('has text that stands behind it', () => {
    const { object } = compile(`
      interface Started { pid: u32; file: char<64> }
      export const started = ringbuf<Started>(65536)
      export let trues = data<u64>(0)
      export const p = tracepoint('sched/sched_process_exec', (ctx) => {
        if (ctx.filename === '/bin/true') trues += 1
        started.emit({ pid: ctx.pid, file: ctx.filename })
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    using ring = opened.ringBuffer<{ pid: number; file: string }>('started', 'Started')
    const files: string[] = []
    ring.on(({ file }) => void files.push(file))
    execFileSync('/bin/true')
    ring.consume()
    expect(files).toContain('/bin/true')
    expect((opened.data as { trues: bigint }).trues).toBeGreaterThan(0n)
  })

  it('has the members of the record', () => {
    const { object } = compile(`
      export let most = data<u32>(0)
      export let name = data<char<16>>()
      export const p = tracepoint('sched/sched_switch', (ctx) => {
        most = ctx.prev_pid
        name = ctx.prev_comm
        return 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    execFileSync('/bin/true')
    expect((opened.data as { name: string }).name).not.toBe('')
  })
})
