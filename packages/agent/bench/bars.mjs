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
const { OtlpOutput } = await import(dist('outputs/otlp'))

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

/** 100,000 events in a second, to a server of another process that only counts bytes. */
async function exporting() {
  const server = fork(fileURLToPath(import.meta.url), ['--server'])
  const port = await new Promise((resolve) => server.once('message', resolve))
  const config = { endpoint: `http://127.0.0.1:${port}`, metrics_interval: 0, max_queue: 200_000 }
  const output = new OtlpOutput(config, new BpfMetrics(), {})
  const costs = []
  let dropped = 0
  for (let round = 0; round < 5; round++) {
    const before = cpuTime()
    for (let part = 0; part < 100; part++) {
      const body = { pid: part, uid: 0, comm: 'bash', cgroup: 123n, duration: 1_000_000n }
      for (let i = 0; i < 1000; i++)
        if (!output.write({ name: 'exec', program: 'execs', time: Date.now(), body })) dropped++
      await sleep(8)
    }
    await sleep(1500)
    costs.push(cpuTime() - before)
  }
  await output.close()
  server.kill()
  show('100,000 events by OTLP: CPU', (middle(costs) / 10).toFixed(1), '% of a core', '60')
  show('100,000 events by OTLP: dropped or failed', String(dropped + output.failed), 'events', 'counted')
}

function count() {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
}

/** The node-level programs on a host on which only this runs. */
async function idle(seconds) {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-bench-'))
  const path = join(folder, 'agent.yaml')
  const uses = ['runqlat', 'biolatency', 'tcpretrans', 'oomkill', 'cachestat', 'dns']
  writeFileSync(path, `listen: 127.0.0.1:0\nprograms:\n${uses.map((use) => `  - use: ${use}\n`).join('')}`)
  const agent = spawn(fileURLToPath(dist('main')), ['--config', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  agent.stderr.on('data', (text) => {
    log += text
  })
  while (!log.includes('"started"')) await sleep(50)
  const address = /"address":"([^"]+)"/.exec(log)[1]
  const ticks = () => {
    const [, , , , , , , , , , , user, system] = readFileSync(`/proc/${agent.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return Number(user) + Number(system)
  }
  await fetch(`http://${address}/metrics`)
  await sleep(2000)
  const before = ticks()
  for (let i = 0; i < seconds / 15; i++) {
    await sleep(15_000)
    await (await fetch(`http://${address}/metrics`)).text()
  }
  const cpu = (ticks() - before) / seconds
  const rss = /VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))[1]
  agent.kill()
  rmSync(folder, { recursive: true })
  show('six node-level programs: memory (RSS)', ((rss * 1024) / 1e6).toFixed(1), 'MB', '70')
  show(
    `six node-level programs, scraped every 15 s: CPU in ${seconds} s`,
    cpu.toFixed(2),
    '% of a core',
    '0.3',
  )
}

const [, , how, argument] = process.argv
if (how === '--client') await client(argument)
else if (how === '--server') count()
else {
  const { object, metrics } = await manySeries()
  await reading(metrics)
  await scraping(metrics)
  object.close()
  await exporting()
  await idle(60)
}
