// Maps and links that outlive the agent: nothing is lost that is not counted, whenever it is killed.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BpfMap, BpfObject, ids } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { useBpffs } from '../../../test/helpers/privileged.js'
import { until } from '../../../test/helpers/until.js'
import { Folder, RunningAgent } from './helpers/agent.js'

/** Numbers each record, and counts those that fit into the ring. `version` and `entries` change from version to version. */
const program = (version: number, entries = 64): string => `
import { array, rawTp, ringbuf, type u64 } from 'libbpf-node/kernel'
interface Event { number: u64; version: u64 }
export const sent = array<u64>(${entries})
export const events = ringbuf<Event>(65536, { countLost: true })
export const onExec = rawTp('sched_process_exec', (task) => {
  // Others start programs, too.
  if (task.comm !== 'agent-load') return 0
  const count = sent.get(0)
  if (!count) return 0
  if (events.emit({ number: count.value, version: ${version} })) sent.add(0, 1)
  return 0
})
export const license = 'GPL'
`

describe('an agent whose maps and links are pinned', () => {
  const bpffs = useBpffs()
  let folder: Folder
  let agent: RunningAgent | undefined
  beforeAll(() => {
    folder = new Folder()
    copyFileSync('/bin/true', `${folder.path}/agent-load`)
    return () => folder[Symbol.dispose]()
  })
  afterEach(async () => {
    await agent?.stop('SIGKILL')
    agent = undefined
    rmSync(bpffs('agent'), { recursive: true, force: true })
    rmSync(`${folder.path}/events.jsonl`, { force: true })
  })

  const configure = (version: number, entries?: number): string => {
    const { object } = compile(program(version, entries))
    folder.write('execs.bpf.o', object)
    return folder.write(
      'agent.yaml',
      `
listen: 127.0.0.1:0
pinning: { path: ${bpffs('agent')} }
programs:
  - file: execs.bpf.o
    events: [{ map: events, type: Event }]
outputs: { file: { path: ${folder.path}/events.jsonl } }
`,
    )
  }
  const start = async (version: number, entries?: number): Promise<RunningAgent> => {
    agent = await RunningAgent.start(configure(version, entries))
    return agent
  }

  const exec = (times = 1): void => {
    for (let i = 0; i < times; i++) execFileSync(`${folder.path}/agent-load`)
  }
  const pin = (path: string): string => bpffs(`agent/execs/${path}`)
  const sent = (): number => {
    using map = BpfMap.fromPin(pin('maps/sent'))
    return Number(new DataView(map.get(new Uint8Array(4))!.buffer).getBigUint64(0, true))
  }
  const numbers = (): { number: number; version: number }[] =>
    readFileSync(`${folder.path}/events.jsonl`, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { number: number; version: number })

  it('counts what happens while the agent is restarted, and delivers it', async () => {
    await start(1)
    exec(3)
    expect(await agent!.stop()).toBe(0)
    const before = sent()
    exec(5)
    expect(sent()).toBeGreaterThanOrEqual(before + 5)
    await start(1)
    await agent!.until('everything is there', () => numbers().length >= sent())
    const found = numbers().map(({ number }) => number)
    expect(found).toEqual(found.map((_, i) => i))
    // The program is the same one, so nobody has replaced it.
    expect(readdirSync(pin('')).filter((name) => name !== 'maps')).toHaveLength(1)
    expect(agent!.log).not.toContain('begins anew')
  })

  it('takes over from an older version, without a gap', async () => {
    await start(1)
    exec(3)
    await agent!.stop('SIGKILL')
    exec(3)
    await start(2)
    exec(3)
    await agent!.until('the new version has sent something', () =>
      numbers().some(({ version }) => version === 2),
    )
    await agent!.until('everything is there', () => numbers().length >= sent())
    expect(readdirSync(pin('')).filter((name) => name !== 'maps')).toHaveLength(1)
    const found = new Set(numbers().map(({ number }) => number))
    for (let i = 0; i < found.size; i++) expect(found).toContain(i)
  })

  it('begins a map anew whose layout has changed', async () => {
    await start(1)
    exec(3)
    await agent!.stop()
    await start(2, 128)
    expect(agent!.log).toContain('begins anew')
    expect(agent!.log).toContain('maxEntries 64')
    const before = sent()
    exec(2)
    expect(sent()).toBeGreaterThanOrEqual(before + 2)
  })

  it('removes what is pinned for programs that it does not have any more', async () => {
    await start(1)
    await agent!.stop()
    const config = `listen: 127.0.0.1:0\npinning: { path: ${bpffs('agent')} }\nprograms:\n  - use: oomkill\n`
    agent = await RunningAgent.start(folder.write('agent.yaml', config))
    expect(readdirSync(bpffs('agent'))).toEqual(['oomkill'])
  })

  const kills = Number(process.env.LIBBPF_NODE_KILLS ?? 5)
  it(
    `counts everything when it is killed ${kills} times at random moments`,
    async () => {
      const seed = Number(process.env.LIBBPF_NODE_SEED ?? Date.now() % 1_000_000)
      console.info(`seed ${seed}`)
      let state = seed
      const random = (): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return state / 2 ** 32
      }
      // Runs programs all the time.
      const load = spawn('sh', ['-c', `while :; do ${folder.path}/agent-load; sleep 0.002; done`])
      try {
        for (let i = 0; i < kills; i++) {
          const killed = new RunningAgent(configure(1 + (i % 3)))
          // Some are killed while they start, and some later.
          await sleep(random() * 1500)
          await killed.stop('SIGKILL')
        }
        await start(1)
        await agent!.until('something was written', () => numbers().length > 0)
      } finally {
        const ended = new Promise((resolve) => load.once('close', resolve))
        load.kill('SIGKILL')
        await ended
      }
      const killed = async (): Promise<number> =>
        (await agent!.metrics()).get('libbpf_node_agent_killed_records_total{program="execs"}')!
      await agent!.until('everything that was sent is noted', () => noted() === sent())
      // A line that was written, and not noted before a kill, is counted as lost, although it is there.
      const lines = numbers().length
      expect(lines).toBeGreaterThan(0)
      expect(lines).toBeLessThanOrEqual(sent())
      expect(sent()).toBeLessThanOrEqual(lines + (await killed()))
      expect(readdirSync(pin('')).filter((name) => name !== 'maps')).toHaveLength(1)
    },
    20_000 + kills * 8000,
  )

  /** Records that the agents have noted as delivered, or counted as lost. */
  function noted(): number {
    using ledger = BpfMap.fromPin(pin('maps/events-ledger'))
    const value = new DataView(ledger.get(new Uint8Array(4))!.buffer)
    // A record has a header of 8 bytes and two numbers.
    return Number(value.getBigUint64(0, true)) / 24
  }

  it('leaves no programs behind when its pins are removed', async () => {
    await start(1)
    await agent!.stop()
    const programs = [...ids('program')].length
    rmSync(bpffs('agent'), { recursive: true })
    await until('the program is gone', () => [...ids('program')].length < programs)
  })
})

// The compiler is what the test files are made with; a mistake in them should not look like one of the agent.
it('the programs of this file can be opened', () => BpfObject.open(compile(program(1)).object).close())
