// A live view of what the processes of this machine do. activity.bpf.c sees it happen, in the kernel; this loads that,
// reads its records and prints them: node dist/examples/activity/activity.js [--help]
// Takes CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH. Linux 5.8. The last is for the files that are opened, which it shows where tracefs is mounted.
import { BpfError, BpfObject } from 'libbpf-node'
import { eventReader, type Kind } from './events.js'
import { Lines } from './lines.js'
import { type Options, parseOptions, usage } from './options.js'
import { Screen } from './screen.js'
import { isThere, tracepoints } from './tracefs.js'

async function main(options: Options): Promise<void> {
  using obj = BpfObject.open(new URL('./activity.bpf.o', import.meta.url))

  // Constants to the verifier, so they are set before load.
  obj.rodata.own_pid = process.pid
  if (options.pid !== undefined) obj.rodata.target_pid = options.pid
  if (options.comm !== undefined) obj.rodata.target_comm = Buffer.from(options.comm).subarray(0, 15)
  chooseOpens(obj)

  await obj.load()
  const ring = obj.ringBuffer('events')
  obj.attach()
  const started = performance.now()
  process.stderr.write('activity: tracing; Ctrl-C ends\n')

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

/** Leaves out the programs for opens that this kernel or machine doesn't have, such as open(2) on ARM. */
function chooseOpens(obj: BpfObject): void {
  let events: string | undefined
  try {
    events = tracepoints()
  } catch (error) {
    process.stderr.write(`activity: files opened are not shown: ${(error as Error).message}\n`)
  }
  for (const name of ['open', 'openat', 'openat2']) {
    const there = events !== undefined && isThere(`${events}/syscalls/sys_enter_${name}`)
    obj.program(`enter_${name}`).autoload = there
    obj.program(`exit_${name}`).autoload = there
  }
}

/** Records that found no room in the ring. A global variable of the BPF program, read while it runs. */
const lost = (obj: BpfObject) => Number(obj.bss.lost)

/** Resolves when the time is up or somebody wants us to end. */
function end(seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    // Unref: after Ctrl-C nobody waits for it. Until then the ring keeps the process alive.
    if (seconds !== undefined) setTimeout(resolve, seconds * 1000).unref()
  })
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `| head` has read enough.
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
