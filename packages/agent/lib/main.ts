#!/usr/bin/env -S node --max-semi-space-size=1
// The flag saves 4 MB: an agent makes little garbage, and V8 would keep 16 MB for it.
import { parseArgs } from 'node:util'
import pino from 'pino'
import { Agent } from './agent.js'
import { ConfigError } from './config/config-error.js'
import { collectionNames, loadConfig } from './config/load.js'
import { notify } from './notify.js'
import { version } from './version.js'

const help = `Usage: libbpf-node-agent --config FILE [--check]

Runs the BPF programs that FILE names, and exports their metrics and events.

  --config FILE  the configuration, in YAML; config.schema.json of the package describes it
  --check        reads the configuration, says what is wrong with it, and exits
  --collections  lists the programs that come with the agent
  --version
  --help

Signals: SIGHUP reads the configuration again, SIGTERM and SIGINT end the agent.
`

async function main(): Promise<number | undefined> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      check: { type: 'boolean', default: false },
      collections: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return print(help)
  if (values.version) return print(`${version}\n`)
  if (values.collections) return print(`${collectionNames().join('\n')}\n`)
  const { config: path } = values
  if (path === undefined) return complain(`--config FILE is required\n\n${help}`)
  const config = loadConfig(path)
  if (values.check) return print(`${path}: ok, ${config.programs.length} programs\n`)

  // Events go to stdout, so the log goes to stderr.
  const log = pino(
    { level: config.log?.level ?? 'info', base: null },
    pino.destination({ dest: 2, sync: true }),
  )
  const agent = new Agent(config, log)
  await agent.start()
  const stopNotifying = notify()
  const reload = async (): Promise<void> => {
    try {
      await agent.reload(loadConfig(path))
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'the new configuration is not used')
    }
  }
  let reloading = Promise.resolve()
  process.on('SIGHUP', () => {
    reloading = reloading.then(reload)
  })
  let isStopping = false
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return
    isStopping = true
    log.info({ signal }, 'stopping')
    stopNotifying()
    await reloading
    await agent.stop()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  return undefined
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function complain(text: string): number {
  process.stderr.write(text.endsWith('\n') ? text : `${text}\n`)
  return 2
}

try {
  const code = await main()
  if (code !== undefined) process.exitCode = code
} catch (error) {
  const isOurs =
    error instanceof ConfigError || String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')
  complain(isOurs ? (error as Error).message : String((error as Error).stack))
  process.exit(isOurs ? 2 : 1)
}
