#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { type Command, exitCodes, isForPeople, say, UsageError } from './command.js'

/** The commands. Each module is loaded when it is needed, so `--version` loads no native code. */
const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  doctor: () => import('./doctor.js'),
  features: () => import('./features.js'),
  prog: () => import('./prog.js'),
  map: () => import('./map.js'),
  link: () => import('./link.js'),
  net: () => import('./net.js'),
  cgroup: () => import('./cgroup.js'),
  perf: () => import('./perf.js'),
  btf: () => import('./btf.js'),
  hooks: () => import('./hooks.js'),
  struct_ops: () => import('./struct-ops.js'),
  iter: () => import('./iter.js'),
  object: () => import('./object.js'),
  top: () => import('./top.js'),
  tracelog: () => import('./tracelog.js'),
  trace: () => import('./trace.js'),
  count: async () => ({ command: (await import('./aggregates.js')).count }),
  sum: async () => ({ command: (await import('./aggregates.js')).sum }),
  avg: async () => ({ command: (await import('./aggregates.js')).avg }),
  min: async () => ({ command: (await import('./aggregates.js')).min }),
  max: async () => ({ command: (await import('./aggregates.js')).max }),
  hist: async () => ({ command: (await import('./histograms.js')).hist }),
  latency: async () => ({ command: (await import('./histograms.js')).latency }),
  stacks: () => import('./stacks.js'),
  run: () => import('./run.js'),
  tool: () => import('./tool.js'),
  profile: () => import('./profile.js'),
  gen: () => import('./gen.js'),
  types: () => import('./types.js'),
  init: () => import('./init.js'),
}

/** bpftool's words for the same. */
const otherNames: Readonly<Record<string, string>> = { feature: 'features', version: '--version' }

async function main(words: string[]): Promise<number> {
  const [given, ...args] = withOptionsLast(words)
  const name = given === undefined ? undefined : (otherNames[given] ?? given)
  if (name === undefined || name === '--help' || name === '-h') return help()
  if (name === '--version' || name === '-v' || name === '-V') return version()
  const wanted = name === 'help' ? (args[0] ?? 'help') : name
  if (wanted === 'help') return help()
  if (!Object.hasOwn(commands, wanted)) {
    say(`libbpf-node: unknown command '${wanted}'${wanted === 'batch' ? ': write a shell script' : ''}\n`)
    say(await overview())
    return exitCodes.usage
  }
  const { command } = await commands[wanted]!()
  const ownArgs = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (name === 'help' || ownArgs.includes('--help') || ownArgs.includes('-h')) {
    const own = await command.helpOf?.(name === 'help' ? args.slice(1) : ownArgs)
    process.stdout.write(own ?? helpOf(wanted, command))
    return exitCodes.ok
  }
  try {
    return await command.run(args)
  } catch (error) {
    return failed(wanted, command, error)
  }
}

/** Puts the options that stand before the command after it, as in `libbpf-node -j prog list`. */
function withOptionsLast(words: string[]): string[] {
  const first = words.findIndex((word) => !/^(-[jpf]+|--json|--pretty|--bpffs)$/.test(word))
  return first <= 0
    ? words
    : [...words.slice(first, first + 1), ...words.slice(0, first), ...words.slice(first + 1)]
}

function failed(name: string, command: Command, error: unknown): number {
  if (error instanceof UsageError) {
    say(`libbpf-node ${name}: ${error.message}\n\nUsage: libbpf-node ${name} ${command.usage}`)
    return exitCodes.usage
  }
  // The message explains an expected failure. A stack is only shown for bugs of this package.
  const isExplained = error instanceof Error && isForPeople(error)
  say(`libbpf-node ${name}: ${isExplained ? error.message : ((error as Error)?.stack ?? error)}`)
  return exitCodes.failed
}

async function help(): Promise<number> {
  process.stdout.write(`${await overview()}\n`)
  return exitCodes.ok
}

async function overview(): Promise<string> {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => {
      const { command } = await load()
      return `  ${name.padEnd(width)}  ${command.summary}`
    }),
  )
  return `Usage: libbpf-node COMMAND [ARGUMENTS]

${lines.join('\n')}

See 'libbpf-node help COMMAND' for the details of a command.
The exit code is 0 for success, 1 for a failure and 2 for a usage error.`
}

function helpOf(name: string, command: Command): string {
  return `Usage: libbpf-node ${name} ${command.usage}\n\n${command.summary}\n\n${command.help}`
}

function version(): number {
  // Relative to dist/lib/cli/. The library's own function would load the addon.
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  process.stdout.write(`${version}\n`)
  return exitCodes.ok
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') {
    say(`libbpf-node: ${error.message}`)
    process.exit(exitCodes.failed)
  }
  // The reader, such as `head`, has seen enough. An exit code that is already set stays, such as doctor's verdict.
  process.exit(process.exitCode ?? exitCodes.ok)
})

process.exitCode = await main(process.argv.slice(2))
