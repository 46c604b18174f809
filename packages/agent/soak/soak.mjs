// 100,000 events a second through the agent to a receiver of OTLP, for as long as you like:
//
//     npm run soak:agent [-- --seconds 3600]     an hour by default
//
// Prints the results as JSON. Exits with status 1 if an event is neither received nor counted as lost, descriptors have
// leaked, or memory has grown.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Agent, accountOf, configFor, program, Receiver, runLoad } from '../bench/load.mjs'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3600' } } })
const seconds = Number(values.seconds)
if (!(seconds >= 10)) throw new RangeError('--seconds is a number of at least 10')

/** Between the medians of the second quarter and of the last one. What V8 keeps varies by some megabytes. */
const mostGrowth = 24 << 20
/** Seconds until it has found its size. */
const settled = 120
/** Somebody may be asking for metrics. */
const mostNewDescriptors = 2

const receiver = await Receiver.start()
const agent = await Agent.start(configFor(receiver.address), { 'load.bpf.ts': program })
const ticks = agent.ticks()
const memory = []
const descriptors = []
let isOver = false
const load = runLoad(seconds).then(() => {
  isOver = true
})
while (!isOver) {
  await agent.get('/metrics')
  memory.push(agent.rss())
  descriptors.push(agent.descriptors())
  await sleep(1000)
}
await load
const cpu = (agent.ticks() - ticks) / seconds

let account = await accountOf(agent)
const isReceived = async () => {
  account = await accountOf(agent)
  const { sent, lost, dropped, failed } = account
  return (await receiver.received()).records + lost + dropped + failed >= sent
}
for (let i = 0; i < 120 && !(await isReceived()); i++) await sleep(500)
const { records, bytes } = await receiver.received()
await agent.stop()
receiver.stop()

const { sent, lost, dropped, failed } = account
const quarter = (values, i) => values.slice((values.length * i) / 4, (values.length * (i + 1)) / 4)
const most = (values) => Math.max(...values)
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
const growth = median(quarter(memory, 3)) - median(quarter(memory, 1))
const result = {
  seconds,
  sent,
  received: records,
  lost,
  dropped,
  failed,
  uncounted: sent - records - lost - dropped - failed,
  eventsPerSecond: Math.round(sent / seconds),
  cpuPercent: Math.round(cpu * 10) / 10,
  bytesPerEvent: Math.round(bytes / records),
  memoryMB: Math.round(most(memory) / 1e6),
  growthMB: Math.round(growth / 1e5) / 10,
  descriptors: [most(quarter(descriptors, 1)), most(quarter(descriptors, 3))],
}
console.log(JSON.stringify(result))
const [before, after] = result.descriptors
const isLeaking = after > before + mostNewDescriptors || (seconds >= settled && growth > mostGrowth)
if (result.uncounted !== 0 || isLeaking) process.exitCode = 1
