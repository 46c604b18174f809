// Measures the parts of a look-up in ns: node bench/map-parts.mjs [ROUNDS], as root, after npm run bench -- map. The
// same in C, with as many threads as Node.js has: build/bench/map build/bench/maps.bpf.o 10000 45 6
import { createRequire } from 'node:module'
import { BpfObject } from 'libbpf-node'
import { root } from '../scripts/run.mjs'
import { median, now } from './measure.mjs'

const rounds = Number(process.argv[2] ?? 45)
const keys = 10_000
const native = createRequire(import.meta.url)('node-gyp-build')(root)
const { mapFd, mapLookup } = native

const obj = BpfObject.open(`${root}/build/bench/maps.bpf.o`)
obj.loadSync()
const map = obj.map('counts')
for (let key = 0; key < keys; key++) map.set(key, BigInt(key))

// A second handle of the same map, to call native code directly.
const handle = native.mapFromId(map.id)
const [keyBytes, valueBytes] = [new Uint8Array(4), new Uint8Array(8)]
native.mapBind(handle, keyBytes, valueBytes)
const key = new DataView(keyBytes.buffer)
const value = new DataView(valueBytes.buffer)
const codec = obj.codec('__u64')

// Results have to be used, or the calls are optimized away.
let used
const parts = {
  'the loop': (i) => {
    used = i
  },
  'a native call that does nothing': () => {
    used = mapFd(handle)
  },
  'decoding a u64': () => {
    used = codec.decode(value, 0)
  },
  'the native look-up': (i) => {
    key.setUint32(0, i, true)
    used = mapLookup(handle)
  },
  'has()': (i) => {
    used = map.has(i)
  },
  'get()': (i) => {
    used = map.get(i)
  },
}

const times = Object.fromEntries(Object.keys(parts).map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, part] of Object.entries(parts)) {
    const start = now()
    for (let i = 0; i < keys; i++) part(i)
    times[name].push((now() - start) / keys)
  }
}
for (const [name, ns] of Object.entries(times)) console.log(median(ns).toFixed(1).padStart(8), name)
if (used === undefined) throw new Error('the key does not exist')
