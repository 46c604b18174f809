// The agent as a process of its own, 100,000 events a second for it, and somebody who receives them by OTLP.
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))

export const program = `
import { array, bpf, rawTp, ringbuf, u32, type char, type u64 } from 'libbpf-node/kernel'
interface Event { time: u64; number: u64; pid: u32; id: u32; comm: char<16> }
export const sent = array<u64>(1)
export const events = ringbuf<Event>(16777216, { countLost: true })
export const onCall = rawTp('sys_enter', () => {
  const task = bpf.getCurrentTask()
  if (task.comm !== 'agent-load') return 0
  sent.add(0, 1)
  const count = sent.get(0)
  if (!count) return 0
  events.emit({ time: bpf.ktimeGetNs(), number: count.value, pid: task.tgid, id: u32(0), comm: task.comm })
  return 0
})
export const license = 'GPL'
`
/** Makes 100,000 system calls in a second, 1,000 at a time: writes of nothing. */
const load = (seconds) => `
use Time::HiRes qw(sleep time);
open(F, ">", "/proc/self/comm"); print F "agent-load"; close F;
open(N, ">", "/dev/null");
my $t = time; my $end = $t + ${seconds};
while (time < $end) {
  for (1 .. 1000) { syswrite(N, "x", 1) }
  $t += 0.01; my $wait = $t - time; sleep($wait) if $wait > 0;
}`

export const perSecond = 100_000

/** Runs the load, and resolves when it has ended. */
export async function runLoad(seconds) {
  const caller = spawn('perl', ['-e', load(seconds)], { stdio: ['ignore', 'ignore', 'inherit'] })
  await new Promise((resolve) => caller.once('close', resolve))
}

/** The configuration of an agent that sends the events of the load. */
export const configFor = (endpoint) => `programs:
  - file: load.bpf.ts
    metrics: { counters: [{ name: sent_total, help: Sent, map: sent }] }
    events: [{ map: events, type: Event }]
outputs:
  otlp: { endpoint: '${endpoint}', metrics_interval: 0 }
`

/** What became of the events, as the agent tells it. */
export async function accountOf(agent) {
  const lines = (await agent.get('/metrics')).split('\n')
  const number = (name) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1])
  const sent = number('sent_total')
  const delivered = number('libbpf_node_agent_events_total{output="otlp"}')
  const lost = number('libbpf_node_agent_lost_records_total{program="load"}')
  const dropped = number('libbpf_node_agent_dropped_events_total{output="otlp"}')
  const failed = number('libbpf_node_agent_failed_events_total{output="otlp"}')
  return { sent, delivered, lost, dropped, failed, uncounted: sent - delivered - lost - dropped }
}

/** A receiver in a process of its own, which counts log records and bytes. */
export class Receiver {
  static async start() {
    const receiver = new Receiver()
    receiver.child = fork(fileURLToPath(new URL('receiver.mjs', import.meta.url)))
    const port = await new Promise((resolve) => receiver.child.once('message', resolve))
    receiver.address = `http://127.0.0.1:${port}`
    return receiver
  }

  /** Log records and bytes until now. */
  async received() {
    return (await fetch(this.address)).json()
  }

  stop() {
    this.child.kill()
  }
}

/** The agent as a process of its own. */
export class Agent {
  static async start(config, files = {}) {
    const agent = new Agent()
    agent.folder = mkdtempSync(join(tmpdir(), 'libbpf-node-bench-'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(agent.folder, name), text)
    const path = join(agent.folder, 'agent.yaml')
    writeFileSync(path, `listen: 127.0.0.1:0\n${config}`)
    agent.child = spawn(main, ['--config', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let log = ''
    agent.child.stderr.on('data', (text) => {
      log += text
    })
    while (!log.includes('"started"')) await sleep(50)
    agent.address = /"address":"([^"]+)"/.exec(log)[1]
    return agent
  }

  async get(path) {
    return (await fetch(`http://${this.address}${path}`)).text()
  }

  /** The CPU time until now, in hundredths of a second. */
  ticks() {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  }

  rss() {
    return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))[1]) * 1024
  }

  /** How many descriptors are open. */
  descriptors() {
    return readdirSync(`/proc/${this.child.pid}/fd`).length
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once('close', resolve))
    this.child.kill()
    await ended
    rmSync(this.folder, { recursive: true })
  }
}
