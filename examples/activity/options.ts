import { parseArgs } from 'node:util'

export const usage = `Usage: activity [options]

Shows what the processes of this machine do: they start and end, open files and make TCP connections.

  --seconds N  stop after N seconds instead of on Ctrl-C
  --pid N      show only process N and its direct children
  --comm NAME  show only processes with this name (the kernel keeps 15 bytes of it)
  --json       print one JSON object per line; the last one is a summary
  --ts         compile the kernel side from TypeScript, which requires no clang: activity.bpf.ts instead of .c
  --help       print this help
`

export interface Options {
  seconds: number | undefined
  pid: number | undefined
  comm: string | undefined
  json: boolean
  ts: boolean
  help: boolean
}

/** @throws Error if an argument is wrong */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      pid: { type: 'string' },
      comm: { type: 'string' },
      json: { type: 'boolean', default: false },
      ts: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
  // Timers are limited to 2^31 - 1 milliseconds, about 24 days.
  if (seconds !== undefined && !(seconds > 0 && seconds <= 2_147_483)) {
    throw new Error(`--seconds ${values.seconds}: expected a number of seconds up to 2147483`)
  }
  const pid = values.pid === undefined ? undefined : Number(values.pid)
  if (pid !== undefined && !(Number.isInteger(pid) && pid > 0 && pid < 2 ** 31)) {
    throw new Error(`--pid ${values.pid}: not a process id`)
  }
  if (values.comm === '') throw new Error('--comm: the name must not be empty')
  return { seconds, pid, comm: values.comm, json: values.json, ts: values.ts, help: values.help }
}
