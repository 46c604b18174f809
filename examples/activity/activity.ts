// A live view of what the processes of this machine do. activity.bpf.c records events in the kernel; this program loads
// it, reads the records and prints them: node dist/examples/activity/activity.js [--help]
// With --ts, activity.bpf.ts takes the place of activity.bpf.c.
// Requires CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH. Linux 5.8. Without the last one, opened files are not shown;
// they also need tracefs to be mounted.
import { readFileSync } from 'node:fs'
import { BpfError, BpfObject } from 'libbpf-node'
import { eventReader, type Kind } from './events.js'
import { Lines } from './lines.js'
import { type Options, parseOptions, usage } from './options.js'
import { Screen } from './screen.js'
import { isThere, tracepoints } from './tracefs.js'

async function main(options: Options): Promise<void> {
  using obj = BpfObject.open(options.ts ? await compiled() : new URL('./activity.bpf.o', import.meta.url))

  // These are constants for the verifier, so they are set before the object is loaded.
  obj.rodata.own_pid = process.pid
  if (options.pid !== undefined) obj.rodata.target_pid = options.pid
  if (options.comm !== undefined) obj.rodata.target_comm = Buffer.from(options.comm).subarray(0, 15)
  chooseOpens(obj)

  await obj.load()
  const ring = obj.ringBuffer('events')
  obj.attach()
  const started = performance.now()
  const side = options.ts ? ' with activity.bpf.ts, compiled without clang' : ''
  process.stderr.write(`activity: tracing${side}; press Ctrl-C to stop\n`)

  const output = options.json ? Lines.json() : process.stdout.isTTY ? new Screen() : Lines.text()
  const counts: Record<Kind, number> = { exec: 0, exit: 0, open: 0, connect: 0 }
  const read = eventReader(obj)
  ring.drain((view, offset) => {
    const event = read(view, offset)
    counts[event.kind]++
    output.event(event)
  })
  const watch = setInterval(() => output.lost(lost(obj)), 500)

  await end(options.seconds)

  clearInterval(watch)
  ring.consume()
  ring.close()
  const durationMs = Math.round(performance.now() - started)
  output.end({ time: new Date(), kind: 'summary', events: counts, lost: lost(obj), durationMs })
}

/** Compiles the kernel side in TypeScript. It is imported only here, because the C side needs no compiler. */
async function compiled(): Promise<Uint8Array> {
  const { compile } = await import('libbpf-node/kernel')
  const source = new URL('./activity.bpf.ts', import.meta.url)
  return compile(readFileSync(source, 'utf8'), { file: 'activity.bpf.ts' }).object
}

/** Disables programs for system calls that this kernel or architecture does not have, such as open(2) on ARM. */
function chooseOpens(obj: BpfObject): void {
  let events: string | undefined
  try {
    events = tracepoints()
  } catch (error) {
    process.stderr.write(`activity: opened files are not shown: ${(error as Error).message}\n`)
  }
  for (const name of ['open', 'openat', 'openat2']) {
    const there = events !== undefined && isThere(`${events}/syscalls/sys_enter_${name}`)
    obj.program(`enter_${name}`).autoload = there
    obj.program(`exit_${name}`).autoload = there
  }
}

/** The number of records that found no room in the ring: a global variable of the BPF program. */
const lost = (obj: BpfObject) => Number(obj.bss.lost)

/** Resolves when the time is up or on SIGINT or SIGTERM. */
function end(seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    // Must not delay the end after Ctrl-C. Until then, the ring keeps the process alive.
    if (seconds !== undefined) setTimeout(resolve, seconds * 1000).unref()
  })
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader such as `head` has read enough.
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

let options: Options
try {
  options = parseOptions(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`activity: ${(error as Error).message}\n\n${usage}`)
  process.exit(2)
}

if (options.help) {
  process.stdout.write(usage)
} else {
  try {
    await main(options)
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    process.stderr.write(`activity: ${error.message}\n`)
    process.exitCode = 1
  }
}
