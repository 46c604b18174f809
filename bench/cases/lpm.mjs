import { BpfObject } from 'libbpf-node'

export const bpf = 'lpm'
export const trials = 5
export const args = ({ quick }) => [quick ? 100_000 : 1_000_000, 4096]
export const metrics = {
  seconds: {
    title: 'load of 1,000,000 prefixes into an LPM trie: setMany(), CPU time',
    unit: 's',
    ratio: 1.2,
  },
}

export function trial(object, prefixes) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const map = obj.map('blocked')
  function* entries() {
    for (let i = 0; i < prefixes; i++)
      yield [{ length: 24 + (i % 9), address: Math.imul(i, 2654435761) >>> 0 }, i]
  }
  const start = process.cpuUsage()
  map.setMany(entries())
  const { user, system } = process.cpuUsage(start)
  return { seconds: (user + system) / 1e6 }
}
