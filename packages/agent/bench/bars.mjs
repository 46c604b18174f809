// What the agent costs: npm run bench:agent. It prints each figure with the bar that it should stay below. Compare figures
// only on a machine that does nothing else.
import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BpfMetrics } from '@libbpf-node/otel'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Agent, accountOf, configFor, perSecond, program, Receiver, runLoad } from './load.mjs'

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

/** From the ring to OpenTelemetry's protocol, in the agent itself. The receiver only counts. */
async function exporting(seconds) {
  const receiver = await Receiver.start()
  const agent = await Agent.start(configFor(receiver.address), { 'load.bpf.ts': program })
  const before = agent.ticks()
  await runLoad(seconds)
  let now = await accountOf(agent)
  for (let i = 0; i < 60 && now.uncounted > 0; i++) {
    await sleep(1000)
    now = await accountOf(agent)
  }
  const cpu = (agent.ticks() - before) / seconds
  await agent.stop()
  receiver.stop()
  const { sent, lost, dropped, failed, uncounted } = now
  show('events by OTLP: sent in a second', (sent / seconds).toFixed(0), 'events', String(perSecond))
  show('events by OTLP: CPU', cpu.toFixed(1), '% of a core', '60')
  show(
    'events by OTLP: lost, dropped or failed, and counted',
    String(lost + dropped + failed),
    'events',
    'none',
  )
  show('events by OTLP: lost and not counted', String(uncounted), 'events', '0')
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
  await agent.stop()
}

const [, , how, argument] = process.argv
if (how === '--client') await client(argument)
else {
  const { object, metrics } = await manySeries()
  await reading(metrics)
  await scraping(metrics)
  object.close()
  await exporting(10)
  await idle(60)
}
