import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

// The places where libbpf looks, in the same order.
const folders = ['/sys/kernel/debug/tracing', '/sys/kernel/tracing']

const findEvents = () => folders.map((folder) => `${folder}/events`).find(isThere)

/** Unlike existsSync, this works for users who may read tracefs thanks to CAP_DAC_READ_SEARCH. */
export function isThere(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}

/**
 * Returns the folder of the classic tracepoints, where libbpf finds the number of the tracepoint of a SEC("tp/...")
 * program. Mounts tracefs if it is not mounted.
 *
 * @throws Error if that fails
 */
export function tracepoints(): string {
  let events = findEvents()
  if (events === undefined) {
    const command = ['mount', '-t', 'tracefs', 'tracefs', '/sys/kernel/tracing'] as const
    const { status, stderr, error } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`tracefs is not mounted; ${error?.message ?? stderr.split('\n')[0]}`)
    process.stderr.write(`activity: mounted tracefs on /sys/kernel/tracing, to see opened files\n`)
    events = findEvents()
  }
  if (events === undefined) throw new Error('tracefs contains no events')
  return events
}
