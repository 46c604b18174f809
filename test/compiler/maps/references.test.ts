import { setTimeout as sleep } from 'node:timers/promises'
import { Pidfd } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'
import { until } from '../../helpers/until.js'
import { classifier, load } from './run.js'

describe('a program array', () => {
  it('goes on in a program that is in it from the beginning', () => {
    const { object, run } = load(`
      export const next = programArray([second])
      export const second = xdp((packet) => XDP.TX)
      export const p = xdp((packet) => {
        next.call(0)
        return XDP.PASS
      })`)
    using _ = object
    expect(run()).toBe(3)
  })

  it('goes on in a program that user space puts there, and stays where there is none', () => {
    const { object, run } = load(`
      export const next = programArray(4)
      export const second = xdp((packet) => XDP.DROP)
      export const p = xdp((packet) => {
        next.call(2)
        return XDP.PASS
      })`)
    using _ = object
    expect(run()).toBe(2)
    object.map<number, unknown>('next').set(2, object.program('second'))
    expect(run()).toBe(1)
  })
})

describe('a spin lock', () => {
  requiresKernel('5.2', 'stays where it is when the value around it is copied', () => {
    const loaded = load(
      classifier(
        `interface Totals { first: u32; lock: spinLock; n: u64; last: u32 }
         export const totals = array<Totals>(1)
         export const copies = hash<u32, Totals>(4)`,
        `totals.set(0, { first: 1, n: 5, last: 7 })
         const all = totals.get(0)
         if (!all) return 1
         const copy: Totals = all
         copy.n += 1
         copies.set(1, copy)
         copies.set(2, all)
         out = (copies.get(1)?.n ?? 0) * 100 + (copies.get(2)?.n ?? 0) * 10 + (copies.get(2)?.last ?? 0)`,
      ),
    )
    using object = loaded.object
    expect(loaded.run()).toBe(0)
    expect(loaded.data.out).toBe(657n)
    expect(object.map<number, unknown>('copies').get(2)).toMatchObject({ first: 1, n: 5n, last: 7 })
  })
})

describe('task storage', () => {
  requiresKernel('5.11', 'belongs to the thread', async () => {
    const { object } = load(`
      export const switches = taskStorage<u64>()
      export const p = tpBtf('sched_switch', (preempt, prev) => {
        const count = switches.getOrCreate(prev)
        if (count) count.value += 1
        return 0
      })`)
    using _ = object
    object.attach()
    using self = Pidfd.open(process.pid)
    const switches = object.map<number, bigint>('switches')
    await until('it was switched', () => (switches.get(self.fd) ?? 0n) > 0n)
  })
})

describe('a timer', () => {
  requiresKernel('5.15', 'calls a function later', async () => {
    const { object, run } = load(
      classifier(
        'interface Value { ticks: u64; timer: timer }\nexport const values = array<Value>(1)',
        'const value = values.get(0); if (!value) return 1; if (!value.timer.start(2_000_000, (key, value) => { value.ticks += 1; out += 1; return 0 })) return 2',
      ),
    )
    using _ = object
    expect(run()).toBe(0)
    await until('it has ticked', () => (object.data as Record<string, bigint>).out === 1n)
    expect(object.map<number, { ticks: bigint }>('values').get(0)!.ticks).toBe(1n)
    expect(run()).toBe(0)
    await until('it has ticked again', () => (object.data as Record<string, bigint>).out === 2n)
  })

  requiresKernel('5.15', 'is canceled', async () => {
    const { object, run } = load(
      classifier(
        'interface Value { timer: timer }\nexport const values = array<Value>(1)',
        'const value = values.get(0); if (!value) return 1; value.timer.start(10_000_000, (key, value) => { out += 1; return 0 }); return value.timer.cancel()',
      ),
    )
    using _ = object
    expect(run()).toBe(1)
    await sleep(20)
    expect((object.data as Record<string, bigint>).out).toBe(0n)
  })
})

describe('a spin lock', () => {
  requiresKernel('5.1', 'guards several members of a value', () => {
    const { object, run } = load(
      classifier(
        'interface Pair { lock: spinLock; a: u64; b: u64 }\nexport const pairs = hash<u32, Pair>(4)',
        'pairs.setNew(1, { a: 5, b: 5 }); const pair = pairs.get(1); if (!pair) return 1; pair.lock.acquire(); pair.a = pair.a + 1; pair.b = pair.a; pair.lock.release()',
      ),
    )
    using _ = object
    run()
    run()
    expect(object.map<number, { a: bigint; b: bigint }>('pairs').get(1)).toMatchObject({ a: 7n, b: 7n })
  })
})
