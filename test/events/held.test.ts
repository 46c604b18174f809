import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

const reader = fileURLToPath(new URL('held-reader.mjs', import.meta.url))

describe('a record that stays reserved for more than a second', () => {
  requiresKernel('5.17', 'takes less than 5 % of a CPU of the process that waits for it', async () => {
    using object = load('hold')
    const holding = object.program('hold').testRun()
    await until('the record is held', () => object.bss.held === true)
    const child = fork(reader, [String(object.map('events').id)], { execArgv: [] })
    const messages: Record<string, unknown>[] = []
    child.on('message', (message: Record<string, unknown>) => messages.push(message))
    const ended = once(child, 'exit')
    await until('the reader has measured', () => messages.length > 0 || child.exitCode !== null)
    object.bss.let_go = true
    await holding
    expect(await ended).toEqual([0, null])
    expect(messages).toEqual([{ busy: expect.any(Number) }, { record: [17, 0, 0, 0, 0, 0, 0, 0] }])
    expect(messages[0]!.busy).toBeLessThan(0.05)
  })
})
