import { setTimeout as sleep } from 'node:timers/promises'
import { enableStats, type Held, listPrograms } from '../kernel/inventory.js'
import type { ProgramInfo } from '../programs/info.js'
import { type Command, exitCodes, UsageError } from './command.js'
import { columns, expectNoMore, holderNames, parseOptions, print, printJson, right, table } from './output.js'
import { Screen } from './screen.js'

const options = {
  json: { type: 'boolean' },
  once: { type: 'boolean' },
  interval: { type: 'string', short: 'i' },
} as const

export const command: Command = {
  usage: '[--once] [--json] [--interval SECONDS]',
  summary: 'Show what programs cost: runs, run time and CPU usage, live',
  help: `Shows the busiest programs first until you press Ctrl-C. Meanwhile the kernel collects statistics, which makes each run
of a program some nanoseconds slower.

  -i, --interval SECONDS  how long a measurement takes; 1 by default
      --once              measure once, print and exit; the default without a terminal
      --json              print one JSON array per measurement

Requires CAP_SYS_ADMIN and Linux 5.8.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    const seconds = Number(values.interval ?? 1)
    if (!(seconds > 0 && seconds <= 3600))
      throw new UsageError(`--interval ${values.interval}: expected a number of seconds up to 3600`)
    const isOnce = values.once === true || process.stdout.isTTY !== true
    using _stats = enableStats()
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const screen = isOnce || values.json ? undefined : new Screen(stop.signal)
    try {
      for (let before = measure(); ; ) {
        await sleep(seconds * 1000, undefined, { signal: stop.signal }).catch(() => {})
        if (stop.signal.aborted && !isOnce) break
        const now = measure()
        const usage = compare(before, now)
        if (values.json) printJson(usage)
        else if (screen === undefined) print(show(usage))
        else screen.draw(show(usage, Number.MAX_SAFE_INTEGER))
        before = now
        if (isOnce) break
      }
    } finally {
      screen?.close()
    }
    return exitCodes.ok
  },
}

interface Measurement {
  /** Nanoseconds. */
  time: bigint
  programs: Map<number, ProgramInfo & Held>
}

interface Usage {
  id: number
  type: string
  name: string
  /** During the measurement. */
  runs: number
  runsPerSecond: number
  nanosecondsPerRun: number
  /** Percent of one CPU. */
  cpu: number
  holders: Held['holders']
}

function measure(): Measurement {
  return {
    time: process.hrtime.bigint(),
    programs: new Map([...listPrograms({ holders: true })].map((info) => [info.id, info])),
  }
}

/** What each program did between two measurements. All runs of a new program count. */
function compare(before: Measurement, now: Measurement): Usage[] {
  const elapsed = Number(now.time - before.time)
  const usage = [...now.programs.values()].map((info) => {
    const last = before.programs.get(info.id)
    const runs = Number(info.runCount - (last?.runCount ?? 0n))
    const time = Number(info.runTimeNs - (last?.runTimeNs ?? 0n))
    return {
      id: info.id,
      type: info.type,
      name: info.name,
      runs,
      runsPerSecond: Math.round((runs * 1e9) / elapsed),
      nanosecondsPerRun: runs === 0 ? 0 : Math.round(time / runs),
      cpu: Math.round((time * 10_000) / elapsed) / 100,
      holders: info.holders,
    }
  })
  return usage.sort((a, b) => b.cpu - a.cpu || b.runs - a.runs || a.id - b.id)
}

function show(usage: readonly Usage[], width = columns()): string {
  return table(
    [right('id'), 'type', 'name', right('runs/s'), right('ns/run'), right('cpu %'), 'held by'],
    usage.map((one) => [
      one.id,
      one.type,
      one.name,
      one.runsPerSecond,
      one.nanosecondsPerRun,
      one.cpu.toFixed(2),
      holderNames(one.holders),
    ]),
    width,
  )
}
