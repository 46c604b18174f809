import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { discard, emit, loadRing, numberOf } from '../helpers/producer.js'
import { until } from '../helpers/until.js'

const reader = fileURLToPath(new URL('held-reader.mjs', import.meta.url))

/** How many times this thread has gone to sleep. */
function sleeps(): number {
  const status = readFileSync('/proc/thread-self/status', 'utf8')
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)![1])
}

describe('a ring buffer whose next record is reserved and not yet submitted', () => {
  requiresKernel('5.17', 'waits for it with less than 5 % of a CPU, and then delivers it', async () => {
    using object = load('hold')
    const holding = object.program('hold').testRun()
    await until('the record is held', () => object.bss.held === true)
    // The reader has a process of its own, so that its CPU time can be measured.
    const child = fork(reader, [String(object.map('events').id)], { execArgv: [] })
    const messages: Record<string, unknown>[] = []
    child.on('message', (message: Record<string, unknown>) => messages.push(message))
    const ended = once(child, 'exit')
    await until('the reader has measured', () => messages.length > 0 || child.exitCode !== null)
    object.bss.let_go = true
    expect((await holding).retval).toBe(0)
    expect(await ended).toEqual([0, null])
    expect(messages).toEqual([{ busy: expect.any(Number) }, { record: [17, 0, 0, 0, 0, 0, 0, 0] }])
    expect(messages[0]!.busy).toBeLessThan(0.05)
  })
})

describe('a ring buffer in which every record was discarded', () => {
  requiresKernel('5.8', 'lets the thread sleep, and delivers the records that follow', async () => {
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
