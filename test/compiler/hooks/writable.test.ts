// Tracepoints that let programs change what their first argument points to.
import { describe, expect, it } from 'vitest'
import { load } from '../load.js'

describe('rawTpWritable', () => {
  it('changes what the kernel goes on with', () => {
    using object = load(
      `export const own = rodata<u32>(0)
      export let before = data<s32>(-1)
      export const fail = rawTpWritable('bpf_test_finish', (error) => {
        if (u32(bpf.getCurrentPidTgid() >> 32) !== own) return 0
        before = error.value
        error.value = -5
        return 0
      })
      export const run = socketFilter((packet) => 1)`,
      { own: process.pid },
    )
    const run = () => object.program('run').testRunSync({ data: new Uint8Array(64) }).retval
    expect(run()).toBe(1)
    using link = object.program('fail').attach()
    expect(run).toThrow('EIO')
    expect(object.data).toMatchObject({ before: 0 })
    link.close()
    expect(run()).toBe(1)
  })

  it('is only attached where the kernel allows it', () => {
    using object = load(`
      export const p = rawTpWritable('sched_process_exec', (task, oldPid) => {
        if (task.real_parent.tgid === oldPid) task.prio = 3
        return 0
      })`)
    expect(() => object.program('p').attach()).toThrow('EINVAL')
  })
})
