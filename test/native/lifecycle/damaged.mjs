// Opens and loads damaged copies of an object file: `node damaged.mjs FILE SEED COPIES`. Each copy is truncated, or a
// few of its bits are flipped. The result must be an error or a loaded object, never a crash. With DAMAGED_TRACE, each
// copy is announced on stderr.
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

const [file, seed = '1', copies = '300'] = process.argv.slice(-3)
const whole = new Uint8Array(readFileSync(file))

// mulberry32
let state = Number(seed) >>> 0
function below(n) {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), state | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n) >>> 0
}

function damaged(i) {
  if (i % 3 === 0) return whole.slice(0, below(whole.length))
  const copy = whole.slice()
  // Half of the damage is in headers and small sections. Otherwise nearly all of it would be in debug information.
  const within = i % 3 === 1 ? copy.length : Math.min(copy.length, 4096)
  for (let flips = 1 + below(8); flips > 0; flips--) copy[below(within)] ^= 1 << below(8)
  if (below(4) === 0) copy[copy.length - 1 - below(Math.min(copy.length, 2048))] ^= 1 << below(8)
  return copy
}

const tally = { opened: 0, loaded: 0, refused: 0 }
for (let i = 0; i < Number(copies); i++) {
  if (process.env.DAMAGED_TRACE) process.stderr.write(`copy ${i}\n`)
  let object
  try {
    object = BpfObject.open(damaged(i), { name: `damaged${i}`, pinRootPath: '/proc/nothing' })
    tally.opened++
    for (const map of object.maps.values()) {
      // A damaged size could use up the memory of the machine.
      if (map.maxEntries > 1 << 16) map.maxEntries = 1 << 12
      map.pinPath = undefined
    }
    readAll(object)
    object.loadSync()
    tally.loaded++
    readAll(object)
  } catch (error) {
    tally.refused++
    if (!(error instanceof Error) || error.message === '') throw error
  } finally {
    object?.close()
  }
}
console.log(JSON.stringify(tally))

/** Uses everything that the file describes. */
function readAll(object) {
  for (const program of object.programs.values()) program.instructions.length + program.type.length
  try {
    const { types } = object
    for (const name of types.names()) types.find(name)
  } catch {}
  for (const map of object.maps.values()) {
    try {
      if (map.isInternal)
        JSON.stringify(object.globals(map.name), (_, v) => (typeof v === 'bigint' ? `${v}` : v))
      map.initialValue
    } catch {}
  }
}
