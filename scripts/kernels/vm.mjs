// Runs a command on another kernel, prints its output, and exits with its status.
import { parseArgs } from 'node:util'
import { Failure, root, say } from '../run.mjs'
import { ensurePrograms } from '../tools.mjs'
import { fetchKernel, kernels, machineOf } from './fetch.mjs'
import { guestTools, runInGuest } from './guest.mjs'

const help = `Usage: node scripts/kernels/vm.mjs [--checkout FOLDER] [--cpus N] [--memory 3G] [--seconds N] KERNEL -- COMMAND...

Boots a kernel (${[...kernels.keys()].join(', ')}) under qemu and runs a command in the checkout as root. The guest sees the
files of this machine; what it writes stays in the guest.
`

try {
  const separator = process.argv.indexOf('--')
  const command = separator < 0 ? [] : process.argv.slice(separator + 1)
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2, separator < 0 ? undefined : separator),
    allowPositionals: true,
    options: {
      checkout: { type: 'string', default: root },
      cpus: { type: 'string', default: '2' },
      memory: { type: 'string', default: '3G' },
      seconds: { type: 'string', default: '3600' },
    },
  })
  if (positionals.length !== 1 || command.length === 0) throw new Failure(help)
  process.chdir(root)
  await ensurePrograms(guestTools([machineOf(positionals[0])]))
  const kernel = await fetchKernel(positionals[0])
  const { status, console } = await runInGuest(kernel, command, {
    cwd: values.checkout,
    cpus: Number(values.cpus),
    memory: values.memory,
    signal: AbortSignal.timeout(Number(values.seconds) * 1000),
    onOutput: (text) => process.stdout.write(text),
  })
  if (status === undefined)
    say(
      `The guest ended before the command. The end of its console:\n${console.split('\n').slice(-60).join('\n')}`,
    )
  process.exitCode = status ?? 1
} catch (error) {
  say(error instanceof Failure ? error.message : error.stack)
  process.exitCode = 1
}
