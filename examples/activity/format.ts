import { type ActivityEvent, type Kind, kinds, type OpenEvent } from './events.js'

/** The totals of a run. */
export interface Summary {
  time: Date
  kind: 'summary'
  events: Record<Kind, number>
  /** Events that found no room in the ring. */
  lost: number
  durationMs: number
}

/** The widths of the columns. The detail after them has no limit. */
export interface Layout {
  time: number
  kind: number
  pid: number
  comm: number
  parent: number
}

export const wide: Layout = { time: 12, kind: 7, pid: 7, comm: 15, parent: 23 }
/** For windows in which the detail would become too narrow. */
export const narrow: Layout = { time: 0, kind: 7, pid: 7, comm: 11, parent: 16 }

export const titles = (layout: Layout) => row(layout, 'TIME', 'EVENT', 'PID', 'COMMAND', 'PARENT')

/** All columns before the detail, followed by a space. */
export function columns(event: ActivityEvent, layout: Layout): string {
  const { time, kind, pid, comm, parent } = event
  return row(
    layout,
    clock(time),
    kind,
    String(pid),
    printable(comm),
    `${parent.pid} ${printable(parent.comm)}`,
  )
}

function row(layout: Layout, time: string, kind: string, pid: string, comm: string, parent: string): string {
  const cells = [
    kind.padEnd(layout.kind),
    pid.padStart(layout.pid),
    cut(comm, layout.comm).padEnd(layout.comm),
    cut(parent, layout.parent).padEnd(layout.parent),
  ]
  if (layout.time > 0) cells.unshift(time.padEnd(layout.time))
  return `${cells.join(' ')} `
}

/** The detail. Paths are shortened to `width` if it is given. */
export function detail(event: ActivityEvent, width = Number.POSITIVE_INFINITY): string {
  switch (event.kind) {
    case 'exec':
      return shorten(printable(event.filename), width)
    case 'exit': {
      const how = event.signal === null ? `code ${event.exitCode}` : `killed by ${event.signal}`
      return `${how} after ${duration(event.durationMs)}`
    }
    case 'open': {
      const result = `${event.error ?? `fd ${event.fd}`} `.padEnd(8)
      const how = openHow(event)
      return result + shorten(printable(event.path), width - result.length - how.length) + how
    }
    case 'connect': {
      const host = event.address.includes(':') ? `[${event.address}]` : event.address
      const outcome = event.connected ? 'in' : `${event.error ?? 'given up'} after`
      return `${host}:${event.port} ${outcome} ${duration(event.durationMs)}`
    }
  }
}

const words: Record<string, string> = {
  O_WRONLY: 'write',
  O_RDWR: 'read and write',
  O_CREAT: 'create',
  O_TRUNC: 'truncate',
  O_APPEND: 'append',
  O_TMPFILE: 'temporary',
  O_DIRECTORY: 'directory',
}

/** How the file was opened, unless it was for reading only. */
function openHow({ flags }: OpenEvent): string {
  const how = flags.flatMap((flag) => words[flag] ?? [])
  return how.length > 0 ? ` (${how.join(', ')})` : ''
}

export const failed = (event: ActivityEvent) =>
  (event.kind === 'exit' && event.exitCode !== 0) ||
  (event.kind === 'open' && event.error !== undefined) ||
  (event.kind === 'connect' && !event.connected)

export function summaryLine({ events, lost, durationMs }: Summary): string {
  const counts = kinds.map((kind) => `${events[kind]} ${kind}`).join(', ')
  return `${counts}; ${lost} lost; ${duration(durationMs)}\n`
}

/** Replaces control characters, because names may contain sequences that a terminal would obey. */
const printable = (text: string) => text.replace(/\p{C}/gu, '?')

const cut = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text)

/** Shortens the middle of a path, because its end says most. */
function shorten(path: string, width: number): string {
  if (path.length <= width) return path
  const room = Math.max(width - 1, 0)
  const head = Math.floor(room / 3)
  return `${path.slice(0, head)}…${path.slice(path.length - (room - head))}`
}

function clock(time: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const milliseconds = String(time.getMilliseconds()).padStart(3, '0')
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`
}

export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${ms.toFixed(0)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
