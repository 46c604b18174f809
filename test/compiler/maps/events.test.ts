import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { classifier, load } from './run.js'

interface Started {
  pid: number
  comm: string
}

describe('a ring buffer that counts losses', () => {
  it('says how many records found no room', () => {
    const { object, run } = load(
      classifier(
        'interface Big { bytes: bytes<1024> }\nexport const events = ringbuf<Big>(4096, { countLost: true })',
        'for (const i of range(10)) { const r = events.reserve(); if (r) events.discard(r) } const b = zero<Small>(); events.emit({ bytes: zero() })'.replace(
          'const b = zero<Small>(); ',
          '',
        ),
      ),
    )
    using _ = object
    using events = object.ringBuffer('events', 'Big')
    for (let i = 0; i < 5; i++) run()
    expect(events.lost).toBeGreaterThan(0n)
  })
})

describe('perf events', () => {
  it('bring records to user space', async () => {
    const { object } = load(`
      interface Started { pid: u32; comm: char<16> }
      export const events = perfEvents<Started>()
      export const p = rawTp('sched_process_exec', (task) => {
        events.emit({ pid: task.tgid, comm: bpf.getCurrentComm() })
        return 0
      })`)
    using _ = object
    object.attach()
    using events = object.perfBuffer<Started>('events', 'Started')
    const seen: Started[] = []
    events.on((event) => void seen.push(event))
    execFileSync('/bin/true')
    events.consume()
    expect(seen.map(({ comm }) => comm)).toContain('true')
  })
})

describe('a user ring buffer', () => {
  requiresKernel('6.1', 'calls a function for each record', () => {
    const { object } = load(`
      interface Command { kind: u32; value: u32 }
      export const commands = userRingbuf<Command>(4096)
      export let sum = data<u64>(0)
      export const p = syscall(() => {
        return s32(commands.drain((command) => {
          if (!command) return 0
          sum += command.value
          return command.kind === 9 ? 1 : 0
        }))
      })`)
    using _ = object
    using commands = object.userRingBuffer<{ kind: number; value: number }>('commands', 'Command')
    for (const value of [1, 20, 300]) commands.submit({ kind: 1, value })
    expect(object.program('p').testRunSync().retval).toBe(3)
    expect((object.data as Record<string, bigint>).sum).toBe(321n)
  })
})

describe('stack traces', () => {
  it('have numbers, under which user space finds the addresses', () => {
    const { object } = load(`
      export const stacks = stackTraces(256)
      export let last = data<s32>(-1)
      export const p = rawTp('sched_process_exec', () => {
        const id = stacks.id()
        if (id >= 0) last = id
        return 0
      })`)
    using _ = object
    object.attach()
    execFileSync('/bin/true')
    const { last } = object.data as { last: number }
    expect(last).toBeGreaterThanOrEqual(0)
    const addresses = object.map<number, bigint[]>('stacks').get(last)!
    expect(addresses.length).toBeGreaterThan(0)
    expect(addresses[0]).not.toBe(0n)
  })
})
