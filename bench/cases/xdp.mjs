import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { XdpMemory, XdpRedirect, XdpSocket } from 'libbpf-node/xdp'

export const bpf = 'xdp'
export const trials = 7
/** Interfaces of the same names in each trial, and none of them stays. */
export const under = ['unshare', '--net']
// The last one is measured when everything is compiled, and V8 has collected the garbage of the start, which it does once
// the process has been calm for eight seconds: packets of the first twelve seconds do not count, on either side.
export const args = ({ quick }) => [quick ? 500 : 2000, 200_000, quick ? 500 : 20_000, quick ? 0 : 2_400_000]
export const metrics = {
  drop: {
    title: 'AF_XDP, 64-byte packets, sender on the same CPU: drain(), dropped',
    unit: '/s',
    ratio: 0.9,
    more: true,
  },
  echo: { title: '  addresses swapped, sent back', unit: '/s', ratio: 0.8, more: true },
  cpu: { title: '  200,000 packets per second: CPU time of a packet', unit: 'ns', ratio: 1.2 },
  interval: { title: '  the same, looking every 1 ms', unit: 'ns', ratio: 1.5 },
  floor: { title: '  meanwhile, a timer of 1 ms in Node.js that does nothing', unit: 'ns' },
}

let sum = 0

function drop({ view, offsets, lengths, length }) {
  for (let i = 0; i < length; i++) {
    const at = offsets[i]
    if (view.getUint16(at + 12) === 0x0800) sum += lengths[i] + view.getUint8(at + 33)
  }
}

function echo(batch) {
  const { view, offsets, lengths, length } = batch
  for (let i = 0; i < length; i++) {
    const at = offsets[i]
    if (view.getUint16(at + 12) === 0x0800) sum += lengths[i] + view.getUint8(at + 33)
    const [high, low] = [view.getUint32(at), view.getUint16(at + 4)]
    view.setUint32(at, view.getUint32(at + 6))
    view.setUint16(at + 4, view.getUint16(at + 10))
    view.setUint32(at + 6, high)
    view.setUint16(at + 10, low)
    batch.send(i)
  }
}

const startSender = (object, rate, milliseconds) =>
  spawn(join(dirname(object), 'xdp-send'), ['from', rate, milliseconds].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })

/**
 * Receives while a child sends. Resolves with packets per second of the CPU that both of them use, which is the rate if
 * nothing else runs, and with the CPU time of receiving a packet in nanoseconds. The first `skipped` packets do not count
 * for that time.
 */
async function phase(object, memory, redirect, callback, interval, rate, milliseconds, skipped = 0) {
  const socket = await XdpSocket.open('to', { memory, redirect, interval })
  let first
  let before
  let packets = 0
  socket.drain((batch) => {
    if (packets >= skipped && first === undefined) {
      first = process.cpuUsage()
      before = packets
    }
    packets += batch.length
    callback(batch)
  })
  const sender = startSender(object, rate, milliseconds)
  let used
  let seconds = ''
  sender.stdout.on('data', (text) => {
    // It has sent everything. What its end costs is not the cost of packets.
    used ??= process.cpuUsage(first)
    seconds += text
  })
  await once(sender, 'close')
  await sleep(100)
  socket.close()
  const own = (used.user + used.system) / 1e6
  return { rate: packets / (own + Number(seconds)), cpu: (own * 1e9) / (packets - before) }
}

/** What a native timer costs, divided by the packets that the sender sends meanwhile, and that nobody reads. */
async function floor(object, memory, redirect, rate, milliseconds) {
  const { tick } = createRequire(import.meta.url)('../../build/bench/floor.node')
  const socket = await XdpSocket.open('to', { memory, redirect })
  const sender = startSender(object, rate, milliseconds)
  // 'close' waits until its output was read.
  sender.stdout.resume()
  const ended = once(sender, 'close')
  tick()
  await sleep(milliseconds / 8)
  const first = process.cpuUsage()
  await sleep(milliseconds / 2)
  const { user, system } = process.cpuUsage(first)
  tick()
  await ended
  socket.close()
  return ((user + system) * 1e6) / ((rate * milliseconds) / 2)
}

export async function trial(object, milliseconds, rate, intervalMilliseconds, skipped) {
  execFileSync('sh', [
    '-c',
    `ip link add from address 02:00:00:00:00:01 type veth peer name to address 02:00:00:00:00:02 &&
     ip link set from up && ip link set to up`,
  ])
  const memory = new XdpMemory()
  const redirect = new XdpRedirect('to', { mode: 'native' })
  const most = await phase(object, memory, redirect, drop, 0, 0, milliseconds)
  const back = await phase(object, memory, redirect, echo, 0, 0, milliseconds)
  const fixed = await phase(object, memory, redirect, drop, 0, rate, milliseconds)
  const interval = await phase(object, memory, redirect, drop, 1, rate, intervalMilliseconds, skipped)
  const alone = await floor(object, memory, redirect, rate, intervalMilliseconds / 2)
  redirect.close()
  if (sum === 0) throw new Error('nothing was received')
  return { drop: most.rate, echo: back.rate, cpu: fixed.cpu, interval: interval.cpu, floor: alone }
}
