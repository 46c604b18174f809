import { readdirSync, readFileSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileOutput } from '../lib/outputs/file.js'
import type { AgentEvent } from '../lib/outputs/output.js'
import { Folder, RunningAgent, run } from './helpers/agent.js'

const event = (number: number): AgentEvent => ({ name: 'exec', program: 'execs', time: 0, body: { number } })

describe('FileOutput', () => {
  let folder: Folder
  const reports: string[] = []
  const report = (reason: string): number => reports.push(reason)
  beforeEach(() => {
    folder = new Folder()
    reports.length = 0
  })
  afterEach(() => folder[Symbol.dispose]())

  it('writes a line of JSON for each event, with numbers that JSON has', async () => {
    const path = `${folder.path}/events.jsonl`
    const output = new FileOutput({ path }, report)
    const body = { small: 1n, big: 2n ** 60n, mac: Uint8Array.of(1, 255), nested: { port: 80 } }
    output.write({ ...event(0), body })
    await output.close()
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      event: 'exec',
      program: 'execs',
      small: 1,
      big: '1152921504606846976',
      mac: '01ff',
      nested: { port: 80 },
    })
  })

  it('rotates files, keeps as many as it should, and appends to the newest one', async () => {
    const path = `${folder.path}/events.jsonl`
    let number = 0
    for (let round = 0; round < 2; round++) {
      const output = new FileOutput({ path, max_bytes: 4096, max_files: 2 }, report)
      for (let i = 0; i < 100; i++) {
        output.write(event(number++))
        output.flush()
      }
      await output.close()
    }
    const names = readdirSync(folder.path).sort()
    expect(names).toEqual(['events.jsonl', 'events.jsonl.1', 'events.jsonl.2'])
    for (const name of names) expect(statSync(`${folder.path}/${name}`).size).toBeLessThanOrEqual(4096)
    const text = [...names]
      .reverse()
      .map((name) => readFileSync(`${folder.path}/${name}`, 'utf8'))
      .join('')
    const numbers = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { number: number }).number)
    expect(numbers).toEqual(numbers.map((_, i) => 200 - numbers.length + i))
  })

  it('counts what a full disk does not take, and goes on', async () => {
    const output = new FileOutput({ path: '/dev/full' }, report)
    output.write(event(1))
    output.write(event(2))
    output.flush()
    expect(output.failed).toBe(2)
    expect(reports).toEqual(['/dev/full: 2 events are not written: ENOSPC: no space left on device, write'])
    await output.close()
  })
})

describe('the agent', () => {
  it('says that its address is taken', async () => {
    using folder = new Folder()
    const config = 'listen: 127.0.0.1:0\nprograms:\n  - use: cachestat\n'
    const agent = await RunningAgent.start(folder.write('agent.yaml', config))
    try {
      folder.write('agent.yaml', config.replace('127.0.0.1:0', agent.address))
      const { status, stderr } = run('--config', folder.config)
      expect(stderr).toBe(
        `listen ${agent.address}: listen EADDRINUSE: address already in use ${agent.address}\n`,
      )
      expect(status).toBe(2)
    } finally {
      await agent.stop()
    }
  })
})
