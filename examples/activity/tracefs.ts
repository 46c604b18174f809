import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

// Where libbpf looks, in its order.
const folders = ['/sys/kernel/debug/tracing', '/sys/kernel/tracing']

const findEvents = () => folders.map((folder) => `${folder}/events`).find(isThere)

/** existsSync would not count CAP_DAC_READ_SEARCH, with which others than root may look into tracefs. */
export function isThere(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}

/**
 * The folder of the classic tracepoints: SEC("tp/...") programs are attached by a number that is found there. Not
 * every machine mounts tracefs by itself, so this does.
 *
 * @throws Error that says why there is none
 */
export function tracepoints(): string {
  let events = findEvents()
  if (events === undefined) {
    const command = ['mount', '-t', 'tracefs', 'tracefs', '/sys/kernel/tracing'] as const
    const { status, stderr, error } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`tracefs is not mounted; ${error?.message ?? stderr.split('\n')[0]}`)
    process.stderr.write(`activity: mounted tracefs on /sys/kernel/tracing, to see files opened\n`)
    events = findEvents()
  }
  if (events === undefined) throw new Error('tracefs has no events')
  return events
}
