// One trial of the case `trace` with bpftrace.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { callTime } from '../cases/trace.mjs'
import { now } from '../measure.mjs'

const [, slices, calls] = process.argv.slice(2).map(Number)
const bare = callTime(slices, calls)

/** Counts with a program, and says what that adds to a system call, and how long it took to attach. */
async function counted(action) {
  const start = now()
  const child = spawn('bpftrace', [
    '-e',
    `BEGIN { printf("attached\\n"); } tracepoint:raw_syscalls:sys_enter { ${action} }`,
  ])
  await once(child.stdout, 'data')
  const first = (now() - start) / 1e6
  const cost = callTime(slices, calls) - bare
  child.kill('SIGINT')
  await once(child, 'exit')
  return { cost, first }
}

const { cost: all, first } = await counted('@ = count();')
const { cost: by } = await counted('@[comm] = count();')
console.log(JSON.stringify({ bare, all, by, first }))
