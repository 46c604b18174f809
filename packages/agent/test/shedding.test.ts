// Limits: what the agent leaves out when it is loaded, and that it goes back.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfObject } from 'libbpf-node'
import { ethernet, ipv4, packet, udp } from 'libbpf-node/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useBpffs, usePerfEvents, useTracefs } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from './helpers/agent.js'

/** Reports each system call of the load. */
const program = (withSample: boolean): string => `
import { array, bpf, ringbuf, tracepoint, type u32, type u64 } from 'libbpf-node/kernel'
interface Event { number: u64 }
export const calls = array<u64>(1)
${withSample ? 'export const sample = array<u32>(1)' : ''}
export const events = ringbuf<Event>(1048576, { countLost: true })
function isLeftOut(): boolean {
  ${
    withSample
      ? `const asked = sample.get(0)
  if (!asked) return false
  const many: u32 = asked.value
  if (many < 2) return false
  return bpf.getPrandomU32() % many !== 0`
      : 'return false'
  }
}
export const onCall = tracepoint('syscalls/sys_enter_getppid', () => {
  const task = bpf.getCurrentTask()
  if (task.comm !== 'agent-load') return 0
  calls.add(0, 1)
  if (isLeftOut()) return 0
  const count = calls.get(0)
  if (count) events.emit({ number: count.value })
  return 0
})
export const license = 'GPL'
`

/** Makes system calls as fast as it can, which nobody else does. */
const busy = `
open(F, ">", "/proc/self/comm"); print F "agent-load"; close F;
getppid while 1`

interface Told {
  status: string
  shed?: { sample: number; detached: string[]; reason: string }
  programs: Record<string, { status: string }>
}

describe('an agent with limits', () => {
  useTracefs()
  usePerfEvents()
  const bpffs = useBpffs()
  let folder: Folder
  let agent: RunningAgent
  let load: ChildProcess | undefined
  beforeEach(() => {
    folder = new Folder()
  })
  afterEach(async () => {
    await endLoad()
    await agent.stop()
    folder[Symbol.dispose]()
    rmSync(bpffs('agent'), { recursive: true, force: true })
  })

  const startLoad = (): void => {
    load = spawn('perl', ['-e', busy], { stdio: 'ignore' })
  }
  const endLoad = async (): Promise<void> => {
    if (load === undefined) return
    const ended = new Promise((resolve) => load!.once('close', resolve))
    load.kill('SIGKILL')
    await ended
    load = undefined
  }
  const configure = (withSample: boolean, limits: string, more = ''): string => {
    folder.write('calls.bpf.ts', program(withSample))
    return folder.write(
      'agent.yaml',
      `
listen: 127.0.0.1:0
limits: ${limits}
programs:
  - file: calls.bpf.ts
    metrics: { counters: [{ name: calls_total, help: System calls, map: calls }] }
    events: [{ map: events, type: Event }]
  - use: oomkill
outputs: { file: { path: /dev/null } }
${more}`,
    )
  }
  const told = async (): Promise<Told> => (await (await agent.get('/healthz')).json()) as Told
  const ratio = async (name: string): Promise<number | undefined> =>
    (await agent.metrics()).get(`libbpf_node_agent_sample_ratio{program="${name}"}`)

  it('has its programs look at fewer events, and at all when the load is gone', async () => {
    agent = await RunningAgent.start(configure(true, '{ cpu: 0.1, interval: 0.2, calm: 2 }', 'user: 65534'))
    expect(await ratio('calls')).toBe(1)
    startLoad()
    // Not by asking for metrics, which is a load, too.
    await agent.until('it sheds load', () => agent.log.includes('"msg":"sheds load"'))
    expect(await ratio('calls')).toBeLessThan(1)
    const { status, shed } = await told()
    expect(status).toBe('running')
    expect(shed!.sample).toBeGreaterThan(1)
    expect(shed!.reason).toMatch(/^[\d.]+ of 0\.1 cores$/)
    expect((await agent.metrics()).get('libbpf_node_agent_sheddings_total')).toBeGreaterThan(0)
    expect(await ratio('oomkill')).toBe(1)
    // All are counted, and most of them are not reported.
    await agent.until('most are left out', async () => {
      const metrics = await agent.metrics()
      const reported =
        metrics.get('libbpf_node_agent_events_total{output="file"}')! +
        metrics.get('libbpf_node_agent_lost_records_total{program="calls"}')!
      return metrics.get('calls_total')! > 2 * reported
    })
    await endLoad()
    await agent.until('it looks at all again', () => agent.log.includes('"msg":"sheds no load any more"'))
    expect(await ratio('calls')).toBe(1)
    expect((await told()).shed).toBeUndefined()
  })

  it.each([false, true])(
    'detaches programs that cannot do less, and attaches them again (pinned: %s)',
    async (isPinned) => {
      const pinning = isPinned ? `pinning: { path: ${bpffs('agent')} }` : ''
      agent = await RunningAgent.start(configure(false, '{ cpu: 0.1, interval: 0.2, calm: 2 }', pinning))
      startLoad()
      await agent.until('the program is detached', () => agent.log.includes('"msg":"sheds load"'))
      const { programs, shed } = await told()
      expect(programs).toMatchObject({ calls: { status: 'detached' }, oomkill: { status: 'running' } })
      expect(shed).toMatchObject({ sample: 1, detached: ['calls'] })
      await endLoad()
      await agent.until('it is attached again', () => agent.log.includes('"msg":"sheds no load any more"'))
      expect((await told()).programs.calls!.status).toBe('running')
      const before = (await agent.metrics()).get('calls_total')!
      expect(before).toBeGreaterThan(0)
      startLoad()
      await agent.until('it counts again', async () => (await agent.metrics()).get('calls_total')! > before)
    },
  )

  it('reports everything again when the configuration has other limits', async () => {
    agent = await RunningAgent.start(configure(true, '{ memory: 1000000, interval: 0.1 }'))
    await agent.until('it sheds as much as it can', async () => (await ratio('calls')) === 1 / 1024)
    const { shed } = await told()
    expect(shed!.reason).toMatch(/^\d+ of 1 MB$/)
    expect(shed!.detached).toEqual([])
    configure(true, '{ memory: 4000000000, calm: 0 }')
    agent.child.kill('SIGHUP')
    await agent.until('it looks at all again', async () => (await ratio('calls')) === 1)
  })
})

interface Query {
  port: number
  id: number
}

/** A message of DNS that has nothing but its number. */
function message(sourcePort: number, destinationPort: number, id: number): Uint8Array {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id)
  return packet(ethernet(), ipv4(), udp({ sourcePort, destinationPort }), header)
}

describe('the programs that come with the agent', () => {
  it('count as much when they look at one of four', async () => {
    const path = fileURLToPath(new URL('../collections/runqlat.bpf.o', import.meta.url))
    using all = BpfObject.open(path)
    using some = BpfObject.open(path)
    await all.load()
    await some.load()
    some.map<number, number>('sample').set(0, 4)
    all.attach()
    some.attach()
    // Two processes that wait for each other.
    execFileSync('perl', [
      '-e',
      `pipe(A, B); pipe(C, D);
       if (fork) { for (1 .. 20000) { syswrite(B, "x", 1); sysread(C, $x, 1) } wait }
       else { for (1 .. 20000) { sysread(A, $x, 1); syswrite(D, "x", 1) } }`,
    ])
    const total = (object: BpfObject): number =>
      object
        .map<number, { slots: bigint[] }[]>('run_queue_latency')
        .get(0)!
        .flatMap(({ slots }) => slots)
        .reduce((sum, count) => sum + Number(count), 0)
    const counted = total(all)
    expect(counted).toBeGreaterThan(10_000)
    expect(Math.abs(total(some) / counted - 1)).toBeLessThan(0.15)
    // Idle threads are left out: they wait for nothing, and those of all CPUs have the number 0.
    expect(all.map<number, unknown>('since').get(0)).toBeUndefined()
  })

  it('do not measure from an older event of the same name when the one between was left out', async () => {
    using object = BpfObject.open(fileURLToPath(new URL('../collections/dns.bpf.o', import.meta.url)))
    await object.load()
    const sample = object.map<number, number>('sample')
    const since = object.map<Query, { at: bigint; many: bigint }>('since')
    const query = { port: 4321, id: 77 }
    object.program('onSend').testRunSync({ data: message(4321, 53, 77) })
    expect(since.get(query)).toMatchObject({ many: 1n })
    // As good as never.
    sample.set(0, 2 ** 32 - 1)
    object.program('onSend').testRunSync({ data: message(4321, 53, 77) })
    expect(since.get(query)).toBeUndefined()
    object.program('onReceive').testRunSync({ data: message(53, 4321, 77) })
    expect([...object.map('dns_latency').keys()]).toEqual([])
    // What is measured counts as when it began.
    sample.set(0, 1)
    object.program('onSend').testRunSync({ data: message(4321, 53, 77) })
    sample.set(0, 1024)
    object.program('onReceive').testRunSync({ data: message(53, 4321, 77) })
    const [slots] = [...object.map<number, { slots: bigint[] }[]>('dns_latency').values()]
    expect(slots!.flatMap(({ slots }) => slots).reduce((sum, count) => sum + count, 0n)).toBe(1n)
  })
})
