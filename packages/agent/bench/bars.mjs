// What the agent costs: npm run bench:agent. It prints each figure with the bar that it should stay below. Compare figures
// only on a machine that does nothing else.
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BpfMetrics } from '@libbpf-node/otel'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'

const dist = (name) => new URL(`../dist/${name}.js`, import.meta.url)
const { serve } = await import(dist('server'))
const { Health } = await import(dist('health'))

const seriesCount = 10_000
const cpuTime = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
const show = (what, value, unit, bar) =>
  console.log(`${what.padEnd(64)} ${value.padStart(8)} ${unit}  (bar: ${bar})`)

/** A map with 10,000 entries, and a metric with as many series. */
async function manySeries() {
  const object = BpfObject.open(
    compile(`
      interface Key { pid: u32; operation: u32 }
      export const calls = hash<Key, u64>(20000)
      export const onWakeup = rawTp('sched_wakeup', () => {
        const key: Key = { pid: 1, operation: 1 }
        calls.get(key)
        return 0
      })
      export const license = 'GPL'`).object,
  )
  await object.load()
  const map = object.map('calls')
  map.setMany(Array.from({ length: seriesCount }, (_, i) => [{ pid: i, operation: i % 7 }, BigInt(i)]))
  const metrics = new BpfMetrics()
  const labels = ({ pid, operation }) => ({ pid, operation: `op${operation}`, pod: `web-${pid % 100}` })
  metrics.counter({ name: 'calls', map, labels, maxSeries: 2 * seriesCount })
  return { object, metrics }
}

async function reading(metrics) {
  const walls = []
  const holds = []
  for (let i = 0; i < 50; i++) {
    let last = cpuTime()
    let worst = 0
    let isDone = false
    const look = () => {
      const now = cpuTime()
      worst = Math.max(worst, now - last)
      last = now
      if (!isDone) setImmediate(look)
    }
    setImmediate(look)
    const began = performance.now()
    await metrics.read()
    walls.push(performance.now() - began)
    isDone = true
    await sleep(1)
    holds.push(worst)
  }
  show('10,000 series: reading, first time', walls[0].toFixed(1), 'ms', 'none')
  show('10,000 series: reading', middle(walls).toFixed(1), 'ms', '20')
  show('10,000 series: the longest time without a turn', middle(holds).toFixed(1), 'ms', '5')
}

async function scraping(metrics) {
  const { server, address } = await serve('127.0.0.1:0', { metrics, health: new Health() })
  let isBusy = true
  const spin = () => {
    const end = performance.now() + 4
    while (performance.now() < end);
    if (isBusy) setTimeout(spin, 1)
  }
  spin()
  const client = fork(fileURLToPath(import.meta.url), ['--client', address])
  const times = await new Promise((resolve) => client.once('message', resolve))
  isBusy = false
  server.closeAllConnections()
  server.close()
  times.sort((a, b) => a - b)
  show('/metrics with 10,000 series, loop busy for 80 %: median', times[50].toFixed(0), 'ms', 'none')
  show('/metrics with 10,000 series, loop busy for 80 %: p99', times[98].toFixed(0), 'ms', '100')
}

async function client(address) {
  const times = []
  for (let i = 0; i < 100; i++) {
    const began = performance.now()
    await (await fetch(`http://${address}/metrics`)).text()
    times.push(performance.now() - began)
    await sleep(50)
  }
  process.send(times)
}

const program = `
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

/** From the ring to OpenTelemetry's protocol, in the agent itself. The receiver only counts. */
async function exporting(seconds) {
  const server = fork(fileURLToPath(import.meta.url), ['--server'])
  const port = await new Promise((resolve) => server.once('message', resolve))
  const agent = await Agent.start(
    `programs:
  - file: load.bpf.ts
    metrics: { counters: [{ name: sent_total, help: Sent, map: sent }] }
    events: [{ map: events, type: Event }]
outputs:
  otlp: { endpoint: 'http://127.0.0.1:${port}', metrics_interval: 0 }
`,
    { 'load.bpf.ts': program },
  )
  const before = agent.ticks()
  const caller = spawn('perl', ['-e', load(seconds)], { stdio: 'inherit' })
  await new Promise((resolve) => caller.once('close', resolve))
  const read = async () => {
    const text = await agent.get('/metrics')
    const [sent, events, lost, dropped, failed] = [
      'sent_total',
      'libbpf_node_agent_events_total{output="otlp"}',
      'libbpf_node_agent_lost_records_total{program="load"}',
      'libbpf_node_agent_dropped_events_total{output="otlp"}',
      'libbpf_node_agent_failed_events_total{output="otlp"}',
    ].map((name) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      ),
    )
    return { sent, events, missing: lost + dropped, failed }
  }
  let now = await read()
  for (let i = 0; i < 60 && now.events + now.missing < now.sent; i++) {
    await sleep(1000)
    now = await read()
  }
  const cpu = (agent.ticks() - before) / seconds
  agent.stop()
  server.kill()
  const { sent, events, missing, failed } = now
  show('events by OTLP: sent in a second', (sent / seconds).toFixed(0), 'events', '100000')
  show('events by OTLP: CPU', cpu.toFixed(1), '% of a core', '60')
  show('events by OTLP: lost, dropped or failed, and counted', String(missing + failed), 'events', 'none')
  show('events by OTLP: lost and not counted', String(sent - events - missing), 'events', '0')
}

function count() {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
}

/** The agent as a process of its own. */
class Agent {
  static async start(config, files = {}) {
    const agent = new Agent()
    agent.folder = mkdtempSync(join(tmpdir(), 'libbpf-node-bench-'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(agent.folder, name), text)
    const path = join(agent.folder, 'agent.yaml')
    writeFileSync(path, `listen: 127.0.0.1:0\n${config}`)
    agent.child = spawn(fileURLToPath(dist('main')), ['--config', path], {
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

  stop() {
    this.child.kill()
    rmSync(this.folder, { recursive: true })
  }
}

/** The node-level programs on a host on which only this runs. */
async function idle(seconds) {
  const uses = ['runqlat', 'biolatency', 'tcpretrans', 'oomkill', 'cachestat', 'dns']
  const agent = await Agent.start(`programs:\n${uses.map((use) => `  - use: ${use}\n`).join('')}`)
  await agent.get('/metrics')
  await sleep(2000)
  const before = agent.ticks()
  for (let i = 0; i < seconds / 15; i++) {
    await sleep(15_000)
    await agent.get('/metrics')
  }
  const cpu = (agent.ticks() - before) / seconds
  show('six node-level programs: memory (RSS)', (agent.rss() / 1e6).toFixed(1), 'MB', '70')
  show(
    `six node-level programs, scraped every 15 s: CPU in ${seconds} s`,
    cpu.toFixed(2),
    '% of a core',
    '0.3',
  )
  agent.stop()
}

const [, , how, argument] = process.argv
if (how === '--client') await client(argument)
else if (how === '--server') count()
else {
  const { object, metrics } = await manySeries()
  await reading(metrics)
  await scraping(metrics)
  object.close()
  await exporting(10)
  await idle(60)
}
