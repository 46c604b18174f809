import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

export const c = null
export const pin = false
export const trials = 3
export const args = ({ quick }) => [1000, quick ? 5 : 20]
export const metrics = {
  start: { title: 'profile of 1,000 threads at 99 Hz: CPU to start, and read names', unit: 'ms' },
  whileItRuns: { title: '  while it runs', unit: '% of a core', atMost: 2 },
  withLines: { title: '  with lines of the source', unit: '% of a core', atMost: 2 },
}

/** The CPU time of a profile, which is the first of this process or not. */
async function cpuOf(pid, seconds, lines) {
  const { profile } = await import('libbpf-node/symbols')
  const before = process.cpuUsage()
  const { total } = await profile({ pid, seconds, lines })
  const { user, system } = process.cpuUsage(before)
  if (total === 0) throw new Error('no sample was taken')
  return (user + system) / 1000
}

export async function trial(_object, threads, seconds) {
  const child = spawn('build/bench/threads', [String(threads)], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(child.stdout, 'data')
    await sleep(500)
    // The first one also compiles our JavaScript.
    await cpuOf(child.pid, 1, true)
    const start = await cpuOf(child.pid, 1, false)
    const startWithLines = await cpuOf(child.pid, 1, true)
    const share = (ms, begin) => Math.max(0, (ms - begin) / (seconds * 10))
    return {
      start,
      whileItRuns: share(await cpuOf(child.pid, 1 + seconds, false), start),
      withLines: share(await cpuOf(child.pid, 1 + seconds, true), startWithLines),
    }
  } finally {
    child.kill()
    await once(child, 'close')
  }
}
