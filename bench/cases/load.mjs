import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'large'
export const args = ({ quick }) => [quick ? 3 : 7]
export const metrics = {
  both: { title: 'open and load of an object of 200 programs', unit: 'ms', ratio: 1.05 },
  open: { title: '  open', unit: 'ms' },
  load: { title: '  loadSync', unit: 'ms' },
}

export function trial(object, rounds) {
  const [open, load, both] = [[], [], []]
  for (let i = 0; i < rounds; i++) {
    const start = now()
    const obj = BpfObject.open(object)
    const opened = now()
    obj.loadSync()
    const loaded = now()
    open.push((opened - start) / 1e6)
    load.push((loaded - opened) / 1e6)
    both.push((loaded - start) / 1e6)
    obj.close()
  }
  return { open: median(open), load: median(load), both: median(both) }
}
