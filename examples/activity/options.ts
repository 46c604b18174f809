import { parseArgs } from 'node:util'

export const usage = `Usage: activity [options]

Shows what the processes of this machine do, as they do it: start and end, open files, make TCP connections.

  --seconds N  ends after N seconds; without it Ctrl-C does
  --pid N      only process N and the children that it starts itself
  --comm NAME  only processes of that name (the kernel knows the first 15 bytes)
  --json       one JSON object a line, the last one a summary
  --help       prints this
`

export interface Options {
  seconds: number | undefined
  pid: number | undefined
  comm: string | undefined
  json: boolean
  help: boolean
}

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      pid: { type: 'string' },
      comm: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
  // A timer takes no more than 2^31 - 1 milliseconds: 24 days.
  if (seconds !== undefined && !(seconds > 0 && seconds <= 2_147_483)) {
    throw new Error(`--seconds ${values.seconds}: not a number of seconds from 0 to 2147483`)
  }
  const pid = values.pid === undefined ? undefined : Number(values.pid)
  if (pid !== undefined && !(Number.isInteger(pid) && pid > 0 && pid < 2 ** 31)) {
    throw new Error(`--pid ${values.pid}: not a process id`)
  }
  if (values.comm === '') throw new Error('--comm: the name is empty')
  return { seconds, pid, comm: values.comm, json: values.json, help: values.help }
}
