import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { useTracefs } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from './helpers/agent.js'

// Counts and reports processes that are started.
const execs = `
import { bpf, hash, percpuHash, rawTp, ringbuf, rodata, u32, type char, type u64 } from 'libbpf-node/kernel'
interface Event { pid: u32; uid: u32; comm: char<16> }
interface Key { uid: u32; kind: u32 }
export const kind = rodata<u32>(0)
export const execs = percpuHash<Key, u64>(64)
export const events = ringbuf<Event>(65536, { countLost: true })
export const onExec = rawTp('sched_process_exec', (task) => {
  const uid = u32(bpf.getCurrentUidGid())
  const key: Key = { uid, kind }
  execs.add(key, 1)
  events.emit({ pid: task.tgid, uid, comm: task.comm })
  return 0
})
export const license = 'GPL'
`

const configOf = (kind: number, more = '') => `
listen: 127.0.0.1:0
programs:
  - file: execs.bpf.ts
    globals: { kind: ${kind} }
    metrics:
      counters:
        - name: execs_total
          help: Processes that were started
          map: execs
          labels:
            - name: user
              member: uid
              decoders: [{ name: uid }]
            - name: kind
              decoders: [{ name: static_map, static_map: { 0: first, 1: second } }]
    events:
      - map: events
        type: Event
        name: exec
${more}
outputs:
  stdout:
  file: { path: FILE }
`

describe('the agent', () => {
  useTracefs()
  let folder: Folder
  let agent: RunningAgent | undefined
  beforeAll(() => {
    folder = new Folder()
    folder.write('execs.bpf.ts', execs)
  })
  afterEach(async () => {
    await agent?.stop()
    agent = undefined
  })
  afterAll(() => folder[Symbol.dispose]())

  const configure = (text: string): string =>
    folder.write('agent.yaml', text.replace('FILE', `${folder.path}/events.jsonl`))
  const start = async (text: string): Promise<RunningAgent> => {
    agent = await RunningAgent.start(configure(text))
    return agent
  }
  const exec = (): void => void execFileSync('/bin/true')

  it('hands out metrics and events, and ends when asked', async () => {
    const { child, ...running } = await start(configOf(0))
    expect(running.log).not.toContain('"level":50')
    for (let i = 0; i < 5; i++) exec()
    const text = await (await agent!.get('/metrics')).text()
    expect(text).toContain('# HELP execs_total Processes that were started\n# TYPE execs_total counter\n')
    const metrics = await agent!.metrics()
    expect(metrics.get('execs_total{user="root",kind="first"}')).toBeGreaterThanOrEqual(5)
    expect(metrics.get('libbpf_node_agent_lost_records_total{program="execs"}')).toBe(0)
    await agent!.until('the events are there', () => agent!.stdout.split('"comm":"true"').length > 5)
    const [event] = agent!.stdout.split('\n').filter((line) => line.includes('"comm":"true"'))
    expect(JSON.parse(event!)).toMatchObject({ event: 'exec', program: 'execs', uid: 0, comm: 'true' })
    expect(await agent!.stop()).toBe(0)
    expect(readFileSync(`${folder.path}/events.jsonl`, 'utf8').split('"comm":"true"').length).toBeGreaterThan(
      5,
    )
  })

  it('writes OpenMetrics for those who ask for it', async () => {
    await start(configOf(0))
    exec()
    const response = await agent!.get('/metrics', { accept: 'application/openmetrics-text; version=1.0.0' })
    expect(response.headers.get('content-type')).toContain('application/openmetrics-text')
    const text = await response.text()
    expect(text).toContain('# TYPE execs counter\nexecs_total{')
    expect(text.endsWith('# EOF\n')).toBe(true)
  })

  it('shows in OpenMetrics what a program has noted about one of those that it counts', async () => {
    folder.write(
      'noted.bpf.ts',
      `
import { array, bpf, percpuArray, rawTp, type u32, type u64 } from 'libbpf-node/kernel'
interface Last { took: u64; at: u64; pid: u32; pad: u32 }
interface Latency { slots: array<u64, 4>; sum: u64; last: Last }
export const latency = percpuArray<Latency>(1)
export const onExec = rawTp('sched_process_exec', (task) => {
  const found = latency.get(0)
  if (!found) return 0
  found.slots[2] += 1
  found.sum += 5000
  found.last.took = 5000
  found.last.at = bpf.ktimeGetNs()
  found.last.pid = task.tgid
  return 0
})
export const license = 'GPL'
`,
    )
    await start(`
listen: 127.0.0.1:0
programs:
  - file: noted.bpf.ts
    metrics:
      histograms:
        - name: took_seconds
          help: Time
          map: latency
          bucket_type: fixed
          bucket_keys: [1000, 4000, 8000]
          bucket_multiplier: 0.000001
          exemplar: { member: last, value: took, time: at, labels: [{ name: pid }] }
`)
    exec()
    const before = Date.now() / 1000
    const headers = { accept: 'application/openmetrics-text; version=1.0.0' }
    const text = await (await agent!.get('/metrics', headers)).text()
    const [, count, value, at] = /le="0.008"\} (\d+) # \{pid="\d+"\} (\S+) (\S+)$/m.exec(text)!
    expect(Number(count)).toBeGreaterThan(0)
    expect(value).toBe('0.005')
    expect(Math.abs(Number(at) - before)).toBeLessThan(60)
    expect(text.split(' # {').length).toBe(2)
    expect(await (await agent!.get('/metrics')).text()).not.toContain(' # {')
  })

  it('goes on with what can be attached, and says what cannot', async () => {
    folder.write('broken.bpf.ts', execs.replace("'sched_process_exec'", "'sched_process_exe'"))
    const broken = configOf(0, '  - file: broken.bpf.ts')
    await start(broken)
    const health = (await (await agent!.get('/healthz')).json()) as {
      status: string
      programs: Record<string, { status: string; failures: { reason: string }[] }>
    }
    expect(health.status).toBe('degraded')
    expect(health.programs.execs!.status).toBe('running')
    expect(health.programs.broken!.status).toBe('failed')
    expect(health.programs.broken!.failures[0]!.reason).toContain("Did you mean 'sched_process_exec'?")
    expect((await agent!.get('/readyz')).status).toBe(200)
  })

  it('is not ready if nothing runs', async () => {
    folder.write('broken.bpf.ts', execs.replace("'sched_process_exec'", "'sched_process_exe'"))
    await start('listen: 127.0.0.1:0\nprograms:\n  - file: broken.bpf.ts\n')
    expect((await agent!.get('/readyz')).status).toBe(503)
    expect((await agent!.get('/healthz')).status).toBe(200)
  })

  it('reads its configuration again, and keeps the old one if the new one is wrong', async () => {
    await start(configOf(0))
    exec()
    configure(configOf(0).replace('programs:', 'program:'))
    agent!.child.kill('SIGHUP')
    await agent!.until('it has complained', () => agent!.log.includes('the new configuration is not used'))
    expect(agent!.log).toContain("'program' is unknown: did you mean programs?")
    expect((await agent!.metrics()).get('execs_total{user="root",kind="first"}')).toBeGreaterThan(0)
    configure(configOf(1))
    agent!.child.kill('SIGHUP')
    await agent!.until('it has reloaded', () => agent!.log.includes('"msg":"reloaded"'))
    exec()
    expect((await agent!.metrics()).get('execs_total{user="root",kind="second"}')).toBeGreaterThan(0)
  })

  it('replaces a program that has changed without losing an event', async () => {
    const numbered = (version: number, section = 'sched_process_exec'): string => `
import { data, rawTp, ringbuf, array, type u64 } from 'libbpf-node/kernel'
interface Event { number: u64; version: u64 }
export const count = array<u64>(1)
export const events = ringbuf<Event>(65536)
export const onExec = rawTp('${section}', () => {
  const now = count.get(0)
  if (!now) return 0
  events.emit({ number: now.value, version: ${version} })
  count.add(0, 1)
  return 0
})
export const license = 'GPL'
`
    folder.write('numbered.bpf.ts', numbered(1))
    const config = `
listen: 127.0.0.1:0
programs:
  - file: numbered.bpf.ts
    metrics: { counters: [{ name: numbered_total, help: Programs, map: count }] }
    events: [{ map: events, type: Event }]
outputs: { stdout: }
`
    await start(config)
    const load = spawn('sh', ['-c', 'while :; do /bin/true; sleep 0.01; done'])
    try {
      for (const version of [2, 3]) {
        folder.write('numbered.bpf.ts', numbered(version))
        agent!.child.kill('SIGHUP')
        await agent!.until('the new version sends', () => agent!.stdout.includes(`"version":${version}`))
      }
      folder.write('numbered.bpf.ts', numbered(4, 'sched_process_exe'))
      agent!.child.kill('SIGHUP')
      await agent!.until('it has complained', () => agent!.log.includes('the older version goes on'))
    } finally {
      load.kill('SIGKILL')
    }
    expect((await agent!.metrics()).get('numbered_total')).toBeGreaterThan(0)
    const numbers = agent!.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { number: number }).number)
    // Both versions see what happens in between, so a number can come twice.
    const last = Math.max(...numbers)
    expect(new Set(numbers).size).toBeGreaterThan(last - 3)
    expect(numbers.length).toBeGreaterThan(last)
  })

  it('changes its address, its outputs and its user without losing an event', async () => {
    folder.write(
      'counted.bpf.ts',
      `
import { array, rawTp, ringbuf, type u64 } from 'libbpf-node/kernel'
interface Event { number: u64 }
export const count = array<u64>(1)
export const events = ringbuf<Event>(65536, { countLost: true })
export const onExec = rawTp('sched_process_exec', (task) => {
  if (task.comm !== 'agent-load') return 0
  const now = count.get(0)
  if (!now) return 0
  events.emit({ number: now.value })
  count.add(0, 1)
  return 0
})
export const license = 'GPL'
`,
    )
    const configWith = (listen: string, file: string, more = ''): string => `
listen: ${listen}
${more}
programs:
  - file: counted.bpf.ts
    metrics: { counters: [{ name: counted_total, help: Programs, map: count }] }
    events: [{ map: events, type: Event }]
outputs: { file: { path: ${folder.path}/${file} } }
`
    let reloads = 0
    const reload = async (text: string): Promise<void> => {
      configure(text)
      agent!.child.kill('SIGHUP')
      reloads++
      const isDone = () => agent!.log.split('"msg":"reloaded"').length > reloads
      await agent!.until('it has reloaded', isDone)
    }
    const numbers = (file: string): number[] =>
      readFileSync(`${folder.path}/${file}`, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { number: number }).number)
    copyFileSync('/bin/true', `${folder.path}/agent-load`)
    // The other user reads the configuration, too.
    chmodSync(folder.path, 0o755)
    await start(configWith('127.0.0.1:0', 'a.jsonl'))
    const before = agent!.address
    const load = spawn('sh', ['-c', `while :; do ${folder.path}/agent-load; sleep 0.005; done`])
    try {
      await agent!.until('events come', () => numbers('a.jsonl').length > 0)
      await reload(configWith('localhost:0', 'b.jsonl'))
      agent!.address = [...agent!.log.matchAll(/"address":"([^"]+)"/g)].at(-1)![1]!
      expect(agent!.address).not.toBe(before)
      await expect(fetch(`http://${before}/healthz`)).rejects.toThrow()
      await agent!.until('events come', () => numbers('b.jsonl').length > 0)
      // What cannot be opened leaves the old one in place, and the rest changes.
      await reload(configWith('localhost:0', 'missing/c.jsonl', 'user: 65534'))
      expect(agent!.log).toContain('"option":"outputs"')
      expect(readFileSync(`/proc/${agent!.child.pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t/m)
      await reload(configWith('localhost:0', 'b.jsonl', 'user: 65533'))
      expect(agent!.log).toContain('"option":"user","msg":"cannot change while the agent runs: restart it"')
    } finally {
      const ended = new Promise((resolve) => load.once('close', resolve))
      load.kill('SIGKILL')
      await ended
    }
    const total = async () => (await agent!.metrics()).get('counted_total')!
    const found = () => [...numbers('a.jsonl'), ...numbers('b.jsonl')]
    await agent!.until('everything is there', async () => found().length >= (await total()))
    expect(found()).toEqual(found().map((_, i) => i))
    const sent = 'libbpf_node_agent_events_total{output="file"}'
    expect((await agent!.metrics()).get(sent)).toBe(found().length)
  })

  it('drops its privileges', async () => {
    await start(configOf(0, 'user: 65534').replace('  file: { path: FILE }\n', ''))
    const status = readFileSync(`/proc/${agent!.child.pid}/status`, 'utf8')
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    exec()
    await agent!.until('an event is there', () => agent!.stdout.includes('"comm":"true"'))
  })
})
