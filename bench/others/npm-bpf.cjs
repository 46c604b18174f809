// Runs a trial with the npm package bpf: npm-bpf.cjs FOLDER CASE NUMBER...
const { join } = require('node:path')

const [prefix, name, ...numbers] = process.argv.slice(2)
const bpf = require(join(process.cwd(), prefix, 'node_modules/bpf'))

const now = () => Number(process.hrtime.bigint())
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]

const u64 = {
  parse: (bytes) => bytes.readBigUInt64LE(),
  format: (bytes, value) => bytes.writeBigUInt64LE(value),
}
const map = new bpf.ConvMap(
  bpf.createMap({ type: bpf.MapType.HASH, keySize: 4, valueSize: 8, maxEntries: 100_000 }),
  bpf.u32type,
  u64,
)

const cases = {
  map(keys, rounds) {
    const [get, set, remove] = [[], [], []]
    const values = Array.from({ length: keys }, (_, key) => BigInt(key))
    let sum = 0n
    for (let i = 0; i < rounds; i++) {
      for (let key = 0; key < keys; key++) map.set(key, values[key])
      let start = now()
      for (let key = 0; key < keys; key++) map.set(key, values[key])
      set.push((now() - start) / keys)
      start = now()
      for (let key = 0; key < keys; key++) sum += map.get(key)
      get.push((now() - start) / keys)
      start = now()
      for (let key = 0; key < keys; key++) map.delete(key)
      remove.push((now() - start) / keys)
    }
    return { get: median(get), set: median(set), delete: median(remove), sum: Number(sum) }
  },

  dump(entries, batch, rounds) {
    for (let key = 0; key < entries; key++) map.set(key, BigInt(2 * key))
    let sum = 0n
    const ms = []
    for (let i = 0; i < rounds; i++) {
      const start = now()
      for (const some of map.getBatch(batch)) for (const [key, value] of some) sum += BigInt(key) + value
      ms.push((now() - start) / 1e6)
    }
    return { decoded: median(ms), sum: Number(sum) / rounds }
  },
}

console.log(JSON.stringify(cases[name](...numbers.map(Number))))
