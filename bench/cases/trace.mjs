import { execFileSync } from 'node:child_process'
import { now } from '../measure.mjs'

export const bpf = 'trace'
export const args = ({ quick }) => (quick ? [50, 5000] : [200, 10_000])
export const metrics = {
  bare: { title: 'system call that does nothing', unit: 'ns' },
  all: { title: "  count('raw_syscalls:sys_enter'): what it adds", unit: 'ns', ratio: 1.1 },
  by: { title: "  with by: 'comm'", unit: 'ns', ratio: 1.1 },
  first: { title: '  from the text to attached, with the import', unit: 'ms', atMost: 250 },
  after: { title: '  the second time', unit: 'ms', atMost: 50 },
}

/** What bench/c/calls.c says. */
export const callTime = (slices, calls) =>
  Number(execFileSync('build/bench/calls', [slices, calls].map(String), { encoding: 'utf8' }))

export async function trial(_object, slices, calls) {
  const bare = callTime(slices, calls)
  const [costs, times] = [[], []]
  for (const options of [{}, { by: 'comm' }]) {
    const start = now()
    const { count } = await import('libbpf-node/trace')
    const answer = await count('raw_syscalls:sys_enter', options)
    times.push((now() - start) / 1e6)
    costs.push(callTime(slices, calls) - bare)
    answer.close()
  }
  const [[all, by], [first, after]] = [costs, times]
  return { bare, all, by, first, after }
}
