import { deepStrictEqual } from 'node:assert'
import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'records'
export const c = null
export const baseline = 'by hand'
export const args = ({ quick }) => [1000, quick ? 101 : 501]
export const metrics = {
  decode: { title: 'a struct of 17 values: decode', unit: 'ns', ratio: 1.1 },
  encode: { title: '  encode', unit: 'ns', ratio: 1.1 },
}

const commands = ['bash', 'node', 'systemd-resolve', 'sshd', 'curl', 'containerd-shim', 'nginx', 'python3']

// ---- Written by hand, with typed views and without checks.

const size = 112

function readText(bytes, at) {
  let end = at
  while (end < at + 16 && bytes[end] !== 0) end++
  return bytes.latin1Slice(at, end)
}

const readEndpoint = (view, at) => ({
  address: new Uint8Array(view.buffer, view.byteOffset + at, 16).slice(),
  port: view.getUint16(at + 16, true),
  family: view.getUint16(at + 18, true),
})

const read = (view, bytes, at) => ({
  time: view.getBigUint64(at, true),
  pid: view.getUint32(at + 8, true),
  uid: view.getUint32(at + 12, true),
  comm: readText(bytes, at + 16),
  local: readEndpoint(view, at + 32),
  remote: readEndpoint(view, at + 52),
  error: view.getInt32(at + 72, true),
  state: view.getUint16(at + 76, true) & 15,
  retries: view.getUint16(at + 76, true) >> 4,
  inbound: view.getUint8(at + 78) !== 0,
  sent: view.getBigUint64(at + 80, true),
  received: view.getBigUint64(at + 88, true),
  round_trips: [
    view.getUint32(at + 96, true),
    view.getUint32(at + 100, true),
    view.getUint32(at + 104, true),
    view.getUint32(at + 108, true),
  ],
})

function writeText(bytes, at, text) {
  const length = bytes.latin1Write(text, at, 16)
  bytes.fill(0, at + length, at + 16)
}

function writeEndpoint(endpoint, view, bytes, at) {
  bytes.set(endpoint.address, at)
  view.setUint16(at + 16, endpoint.port, true)
  view.setUint16(at + 18, endpoint.family, true)
}

function write(record, view, bytes, at) {
  view.setBigUint64(at, record.time, true)
  view.setUint32(at + 8, record.pid, true)
  view.setUint32(at + 12, record.uid, true)
  writeText(bytes, at + 16, record.comm)
  writeEndpoint(record.local, view, bytes, at + 32)
  writeEndpoint(record.remote, view, bytes, at + 52)
  view.setInt32(at + 72, record.error, true)
  view.setUint16(at + 76, record.state | (record.retries << 4), true)
  view.setUint8(at + 78, record.inbound ? 1 : 0)
  view.setUint8(at + 79, 0)
  view.setBigUint64(at + 80, record.sent, true)
  view.setBigUint64(at + 88, record.received, true)
  for (let i = 0; i < 4; i++) view.setUint32(at + 96 + 4 * i, record.round_trips[i], true)
}

// ----

function recordOf(i) {
  const endpoint = (port) => ({ address: new Uint8Array(16).fill(i), port, family: 2 })
  return {
    time: BigInt(i) * 1_000_003n + (1n << 50n),
    pid: 1000 + i,
    uid: i % 3,
    comm: commands[i % commands.length],
    local: endpoint(30_000 + i),
    remote: endpoint(443),
    error: 0 - (i % 5),
    state: i & 15,
    retries: i & 4095,
    inbound: i % 2 === 1,
    sent: BigInt(i) << 20n,
    received: BigInt(i) << 33n,
    round_trips: [i, i + 1, i + 2, i + 3],
  }
}

export function trial(object, count, rounds) {
  const codec = BpfObject.open(object).codec('connection')
  const records = Array.from({ length: count }, (_, i) => recordOf(i))
  const bytes = Buffer.alloc(count * size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const [i, record] of records.entries()) codec.encode(record, view, i * size)
  const ours = Buffer.from(bytes)
  for (const [i, record] of records.entries()) {
    write(record, view, bytes, i * size)
    deepStrictEqual(codec.decode(view, i * size), record)
    deepStrictEqual(read(view, bytes, i * size), record)
  }
  deepStrictEqual(bytes.equals(ours), true)

  let sum = 0
  const sides = {
    byHand: {
      decode: (at) => read(view, bytes, at),
      encode: (record, at) => write(record, view, bytes, at),
    },
    codec: {
      decode: (at) => codec.decode(view, at),
      encode: (record, at) => codec.encode(record, view, at),
    },
  }
  const times = { byHand: { decode: [], encode: [] }, codec: { decode: [], encode: [] } }
  for (let round = 0; round < rounds; round++) {
    for (const [side, { decode, encode }] of Object.entries(sides)) {
      let start = now()
      for (let i = 0; i < count; i++) sum += decode(i * size).pid
      times[side].decode.push((now() - start) / count)
      start = now()
      for (let i = 0; i < count; i++) encode(records[i], i * size)
      times[side].encode.push((now() - start) / count)
    }
  }
  const medians = ({ decode, encode }) => ({ decode: median(decode), encode: median(encode) })
  return { ...medians(times.codec), baseline: medians(times.byHand), sum }
}
