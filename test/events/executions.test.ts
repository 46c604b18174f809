import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

interface Execution {
  pid: number
  parent: number
  comm: string
}

describe('executions of programs', () => {
  it('are delivered as they happen, with pid, parent and command', async () => {
    using object = load('exec')
    object.attach()
    using ring = object.ringBuffer<Execution>('events', 'execution')
    const seen: Execution[] = []
    ring.on((execution) => seen.push(execution))
    const child = spawn('true')
    await once(child, 'exit')
    await until('it is seen', () => seen.some(({ pid }) => pid === child.pid))
    expect(seen.find(({ pid }) => pid === child.pid)).toEqual({
      pid: child.pid,
      parent: process.pid,
      comm: 'true',
    })
  })

  it('wait in the ring for a later reader', async () => {
    using object = load('exec')
    object.attach()
    execFileSync('true')
    execFileSync('sleep', ['0'])
    using ring = object.ringBuffer<Execution>('events', 'execution')
    const commands: string[] = []
    for await (const { parent, comm } of ring) {
      if (parent === process.pid) commands.push(comm)
      if (commands.length === 2) break
    }
    expect(commands).toEqual(['true', 'sleep'])
  })

  it('are not delivered any more when the object is closed', async () => {
    const object = load('exec')
    object.attach()
    using ring = object.ringBuffer<Execution>('events', 'execution')
    object.close()
    const before = ring.producerPosition
    execFileSync('true')
    expect(ring.producerPosition).toBe(before)
  })
})
