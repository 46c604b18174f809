import type { AnswerTool, EventTool, ToolOptions } from '../tools/tool.js'
import { type Command, exitCodes, UsageError, visible } from './command.js'
import { parseOptions, print, toJson } from './output.js'
import { follow, numberOf, pidOf, sayLost, show } from './questions.js'

type Tool = EventTool<never> | AnswerTool

const tools: Readonly<Record<string, () => Promise<{ tool: Tool }>>> = {
  biolatency: () => import('../tools/biolatency.js'),
  capable: () => import('../tools/capable.js'),
  execsnoop: () => import('../tools/execsnoop.js'),
  filelife: () => import('../tools/filelife.js'),
  funclatency: () => import('../tools/funclatency.js'),
  nodegc: () => import('../tools/nodegc.js'),
  oomkill: () => import('../tools/oomkill.js'),
  opensnoop: () => import('../tools/opensnoop.js'),
  runqlat: () => import('../tools/runqlat.js'),
  sslsniff: () => import('../tools/sslsniff.js'),
  syscount: () => import('../tools/syscount.js'),
  tcpconnect: () => import('../tools/tcpconnect.js'),
  tcplife: () => import('../tools/tcplife.js'),
  tcpretrans: () => import('../tools/tcpretrans.js'),
}

/** Tools that are the command `profile`, with the options for it. */
const profiles: Readonly<Record<string, readonly string[]>> = { profile: [], offcputime: ['--off-cpu'] }

const options = {
  pid: { type: 'string', short: 'p' },
  each: { type: 'boolean' },
  seconds: { type: 'string', short: 's' },
  interval: { type: 'string', short: 'i' },
  top: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const command: Command = {
  usage: 'NAME [--pid PID] [--each] [--seconds SECONDS] [--json]',
  summary: 'Run a tool, such as execsnoop or runqlat',
  help: `Without NAME, lists the tools. 'tool NAME --help' explains one.

  -p, --pid PID             only this process
      --each                a separate answer for each process
  -s, --seconds SECONDS     stop after this time; otherwise Ctrl-C stops
  -i, --interval SECONDS    show an answer at this interval; without a terminal, the default is one answer at the end
      --top N               only the first N rows
      --json                print JSON; for events, one object in a line

Requires root, and the kernel's BTF.
`,
  async helpOf(args) {
    const name = args.find((word) => !word.startsWith('-'))
    if (name !== undefined && Object.hasOwn(profiles, name)) {
      const { command } = await import('./profile.js')
      return `Usage: libbpf-node tool ${name} ${command.usage}\n\n${command.summary}\n\n${command.help}`
    }
    if (name === undefined || !Object.hasOwn(tools, name)) return undefined
    const { tool } = await tools[name]!()
    const usage = [name, tool.usage, '[--pid PID] [--seconds SECONDS] [--json]'].filter(Boolean).join(' ')
    return `Usage: libbpf-node tool ${usage}

${tool.summary}

${tool.help}

See 'libbpf-node help tool' for the options.
`
  },
  async run(args) {
    const [first] = args
    if (first !== undefined && Object.hasOwn(profiles, first)) {
      const { command } = await import('./profile.js')
      return command.run([...profiles[first]!, ...args.slice(1)])
    }
    const { values, positionals } = parseOptions(args, options)
    const [name, ...more] = positionals
    if (name === undefined) return list()
    if (!Object.hasOwn(tools, name)) {
      const known = [...Object.keys(tools), ...Object.keys(profiles)].join(', ')
      throw new UsageError(`there is no tool '${name}'; there are ${known}`)
    }
    const { tool } = await tools[name]!()
    if (tool.usage === undefined && more.length > 0) throw new UsageError(`unexpected argument '${more[0]}'`)
    if (values.pid !== undefined && tool.isOfProcess === false) throw new UsageError(`${name} has no --pid`)
    if (values.each && !tool.hasEach) throw new UsageError(`${name} has no --each`)
    const seconds = numberOf('seconds', values.seconds, 0)
    const { json } = values
    const settings = { ...pidOf(values.pid), ...(values.each && { each: true }), args: more }
    if ('columns' in tool) return followTool(name, tool, settings, seconds, json)
    const top = numberOf('top', values.top, 1)
    const interval = numberOf('interval', values.interval, 0.1)
    using answer = await tool.open(settings)
    await show(answer, { seconds, interval, json, top })
    sayLost(`tool ${name}`, answer.lost)
    return exitCodes.ok
  },
}

async function list(): Promise<number> {
  const width = Math.max(...Object.keys(tools).map(({ length }) => length))
  for (const [name, load] of Object.entries(tools))
    print(`${name.padEnd(width)}  ${(await load()).tool.summary}\n`)
  print(`${'profile'.padEnd(width)}  Where programs spend their time\n`)
  print(`${'offcputime'.padEnd(width)}  Where programs wait\n`)
  return exitCodes.ok
}

/** Prints a line for each event, until it is stopped. */
async function followTool(
  name: string,
  { columns, open, wants }: EventTool<never>,
  settings: ToolOptions,
  seconds: number | undefined,
  json: boolean | undefined,
): Promise<number> {
  using running = await open(settings)
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, i) => visible(String(cell)).padEnd(columns[i]![1]))
      .join(' ')
      .trimEnd()
  if (!json) print(`${line(columns.map(([title]) => title))}\n`)
  const { pid } = settings
  await follow<unknown>(`tool ${name}`, { seconds }, running, running.events, (event) => {
    if (pid !== undefined && (event as { pid?: number }).pid !== pid) return
    if (wants?.(event as never, settings) === false) return
    print(json ? `${toJson(event)}\n` : `${line(columns.map(([, , text]) => text(event as never)))}\n`)
  })
  return exitCodes.ok
}
