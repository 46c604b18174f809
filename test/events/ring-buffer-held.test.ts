import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { discard, emit, loadRing, numberOf } from '../helpers/producer.js'
import { until } from '../helpers/until.js'

/** Milliseconds that this thread has spent on a CPU. */
function cpuTime(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
}

/** How often this thread has gone to sleep. */
function sleeps(): number {
  const status = readFileSync('/proc/thread-self/status', 'utf8')
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)![1])
}

/** How much of half a second this thread is busy, when it has nothing to do. */
async function busy(): Promise<number> {
  const [start, cpu] = [performance.now(), cpuTime()]
  await sleep(500)
  return (cpuTime() - cpu) / (performance.now() - start)
}

describe('a record that is reserved and not committed', () => {
  requiresKernel('5.17', 'holds up the ring, costs little meanwhile, and comes in the end', async () => {
    using object = load('hold')
    using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
    const records: bigint[] = []
    ring.on(({ number }) => records.push(number))
    const holding = object.program('hold').testRun()
    await until('the record is held', () => object.bss.held === true)
    expect(ring.availableBytes).toBe(16)
    expect(await busy()).toBeLessThan(0.2)
    expect(records).toEqual([])
    object.bss.let_go = true
    expect((await holding).retval).toBe(0)
    await until('the record has come', () => records.length === 1)
    expect(records).toEqual([17n])
  })
})

describe('a ring in which all was discarded', () => {
  requiresKernel('5.8', 'wakes nobody again and again, and gives what comes after', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const seen: number[] = []
    ring.on((record) => seen.push(numberOf(record)))
    discard(object, 100)
    await until('the ring is empty', () => ring.availableBytes === 0)
    const before = sleeps()
    await sleep(500)
    expect(sleeps() - before).toBeLessThan(15)
    const sent = emit(object, 3)
    await until('all have come', () => seen.length === 3)
    expect(seen).toEqual(sent)
  })
})
