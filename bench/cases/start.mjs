import { spawnSync } from 'node:child_process'
import { median, now } from '../measure.mjs'

// Both scripts import something and end in the same way, so that the difference is only our part.
const bare = `import 'node:process'; process.exit()`
const ours = (path) => `
  import { BpfObject } from 'libbpf-node'
  const object = BpfObject.open('${path}')
  object.loadSync()
  object.ringBuffer('events').drain(() => process.exit())
  const context = new Uint8Array(8)
  context[0] = 1
  object.program('emit_many').testRunSync({ context })`

export const pin = false
export const bpf = 'events'
export const c = null
export const args = ({ quick }) => [quick ? 5 : 15]
export const metrics = {
  ms: { title: 'from start to the first event, over bare Node', unit: 'ms', atMost: 10 },
  c: { title: '  the whole process in C', unit: 'ms' },
}

export function trial(path, rounds) {
  const node = (source) => [process.execPath, '--input-type=module', '-e', source]
  const ms = []
  const inC = []
  for (let i = 0; i < rounds; i++) {
    const before = time(node(bare))
    ms.push(time(node(ours(path))) - before)
    inC.push(time(['build/bench/first', path]))
  }
  return { ms: median(ms), c: median(inC) }
}

function time([program, ...args]) {
  const begin = now()
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return (now() - begin) / 1e6
}
