import { constants as file } from 'node:fs'
import { SocketAddress } from 'node:net'
import { constants as os } from 'node:os'
import type { BpfObject } from 'libbpf-node'

// ---- The records of activity.bpf.c. The codecs get the layout from BTF; these types describe it for TypeScript.

interface Process {
  pid: number
  comm: string
}

interface Header {
  kind: number
  process: Process
  parent: Process
  time: bigint
}

interface ExecRecord {
  header: Header
  filename: string
}

interface ExitRecord {
  header: Header
  duration: bigint
  status: number
}

interface OpenRecord {
  header: Header
  flags: bigint
  mode: number
  result: number
  path: string
}

interface ConnectRecord {
  header: Header
  duration: bigint
  address: Uint8Array
  port: number
  established: boolean
  error: number
}

// ---- The events that are made from them, as --json prints them.

export const kinds = ['exec', 'exit', 'open', 'connect'] as const
export type Kind = (typeof kinds)[number]

interface Common {
  /** For a connection, the time when it was started. */
  time: Date
  kind: Kind
  pid: number
  comm: string
  parent: Process
}

/** A process started a program. */
export interface ExecEvent extends Common {
  kind: 'exec'
  filename: string
}

/** A process ended: either `exitCode` or `signal` is null. */
export interface ExitEvent extends Common {
  kind: 'exit'
  exitCode: number | null
  signal: string | null
  durationMs: number
}

/** A process opened a file, or tried to. */
export interface OpenEvent extends Common {
  kind: 'open'
  /** The path that the process passed. It may be relative to a directory that is not known here. */
  path: string
  flags: string[]
  /** The permissions of the file if the call creates it. */
  mode?: string
  /** The file descriptor; null if there is an error. */
  fd?: number
  error?: string
}

/** A process made a TCP connection, or tried to. */
export interface ConnectEvent extends Common {
  kind: 'connect'
  address: string
  port: number
  connected: boolean
  /** Why it failed; null if the process gave up first. */
  error?: string
  durationMs: number
}

export type ActivityEvent = ExecEvent | ExitEvent | OpenEvent | ConnectEvent

/**
 * Returns a function that reads a record directly from the batch of the ring buffer. Each kind of record has a codec,
 * and the u32 at the start of every record is its kind.
 */
export function eventReader(obj: BpfObject): (view: DataView, offset: number) => ActivityEvent {
  const exec = obj.codec<ExecRecord>('exec_record')
  const exit = obj.codec<ExitRecord>('exit_record')
  const open = obj.codec<OpenRecord>('open_record')
  const connect = obj.codec<ConnectRecord>('connect_record')
  // enum kind
  const readers = [
    undefined,
    (view: DataView, offset: number) => execEvent(exec.decode(view, offset)),
    (view: DataView, offset: number) => exitEvent(exit.decode(view, offset)),
    (view: DataView, offset: number) => openEvent(open.decode(view, offset)),
    (view: DataView, offset: number) => connectEvent(connect.decode(view, offset)),
  ]
  return (view, offset) => {
    const kind = view.getUint32(offset, true)
    const read = readers[kind]
    if (read === undefined)
      throw new Error(`a record of kind ${kind}: activity.bpf.o may be of another version`)
    return read(view, offset)
  }
}

function common<K extends Kind>(kind: K, { time, process, parent }: Header) {
  return { time: wallClock(time), kind, pid: process.pid, comm: process.comm, parent }
}

function execEvent({ header, filename }: ExecRecord): ExecEvent {
  return { ...common('exec', header), filename }
}

function exitEvent({ header, duration, status }: ExitRecord): ExitEvent {
  const signal = status & 0x7f
  return {
    ...common('exit', header),
    exitCode: signal === 0 ? (status >> 8) & 0xff : null,
    signal: signal === 0 ? null : (signalNames.get(signal) ?? `signal ${signal}`),
    durationMs: milliseconds(duration),
  }
}

function openEvent({ header, flags, mode, result, path }: OpenRecord): OpenEvent {
  const names = flagNames(Number(flags))
  const makes = names.includes('O_CREAT') || names.includes('O_TMPFILE')
  return {
    ...common('open', header),
    path,
    flags: names,
    ...(makes && { mode: (mode & 0o7777).toString(8).padStart(4, '0') }),
    ...(result >= 0 ? { fd: result } : { error: errorName(-result) }),
  }
}

function connectEvent(record: ConnectRecord): ConnectEvent {
  const { header, address, port, established, error, duration } = record
  return {
    ...common('connect', header),
    address: addressText(address),
    port,
    connected: established,
    ...(error !== 0 && { error: errorName(error) }),
    durationMs: milliseconds(duration),
  }
}

/** Converts the kernel's time, which is CLOCK_MONOTONIC like `hrtime`. */
function wallClock(time: bigint): Date {
  return new Date(Date.now() - milliseconds(process.hrtime.bigint() - time))
}

const milliseconds = (nanoseconds: bigint) => Number(nanoseconds) / 1e6

/** Names by number. If several names have one number, the first counts: EAGAIN, not EWOULDBLOCK. */
const byNumber = (numbers: object) =>
  new Map<number, string>(
    Object.entries(numbers)
      .reverse()
      .map(([name, number]) => [number, name]),
  )

const errorNames = byNumber(os.errno)
const signalNames = byNumber(os.signals)
const errorName = (errno: number) => errorNames.get(errno) ?? `errno ${errno}`

const accessNames = ['O_RDONLY', 'O_WRONLY', 'O_RDWR']
// The order matters: O_TMPFILE includes the bit of O_DIRECTORY, and O_SYNC that of O_DSYNC. node:fs does not have the
// first three; they are the same on x86 and ARM.
const flagBits: [name: string, bits: number][] = [
  ['O_CLOEXEC', 0o2000000],
  ['O_PATH', 0o10000000],
  ['O_TMPFILE', 0o20000000 | file.O_DIRECTORY],
  ['O_CREAT', file.O_CREAT],
  ['O_EXCL', file.O_EXCL],
  ['O_TRUNC', file.O_TRUNC],
  ['O_APPEND', file.O_APPEND],
  ['O_DIRECTORY', file.O_DIRECTORY],
  ['O_NOFOLLOW', file.O_NOFOLLOW],
  ['O_NONBLOCK', file.O_NONBLOCK],
  ['O_NOCTTY', file.O_NOCTTY],
  ['O_SYNC', file.O_SYNC],
  ['O_DSYNC', file.O_DSYNC],
  ['O_DIRECT', file.O_DIRECT],
  ['O_NOATIME', file.O_NOATIME],
]

function flagNames(flags: number): string[] {
  const names = [accessNames[flags & 3] ?? 'O_ACCMODE']
  let left = flags
  for (const [name, bits] of flagBits) {
    if ((left & bits) !== bits) continue
    names.push(name)
    left &= ~bits
  }
  return names
}

/** Formats the 16 bytes of an IPv6 address, or of an IPv4 address mapped into ::ffff:0:0/96. */
function addressText(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  const isIPv4 = bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
  if (isIPv4) return bytes.subarray(12).join('.')
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address
}
