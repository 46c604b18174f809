import { setTimeout as sleep } from 'node:timers/promises'
import { enableStats } from '../kernel/inventory.js'
import { sparkline } from '../pictures/bars.js'
import { styleOf } from '../pictures/style.js'
import { type Command, exitCodes, UsageError } from './command.js'
import {
  columns,
  expectNoMore,
  holderNames,
  oneOf,
  parseOptions,
  print,
  right,
  table,
  toJson,
} from './output.js'
import { Screen } from './screen.js'
import { compare, measure, type SortKey, select, sortKeys, type Usage } from './usage.js'

const options = {
  json: { type: 'boolean', short: 'j' },
  once: { type: 'boolean' },
  interval: { type: 'string', short: 'i' },
  sort: { type: 'string', short: 's' },
  filter: { type: 'string', short: 'f' },
} as const

/** The keys of the live view. */
const keys: Readonly<Record<string, SortKey>> = {
  c: 'cpu',
  r: 'runs',
  t: 'time',
  n: 'name',
  y: 'type',
  i: 'id',
}

export const command: Command = {
  usage: '[--once] [--json] [--interval SECONDS] [--sort KEY] [--filter TEXT]',
  summary: 'Show what programs cost: runs, run time and CPU usage, live',
  help: `Shows the busiest programs first until you press q or Ctrl-C. Meanwhile the kernel collects statistics, which makes each
run of a program some nanoseconds slower.

  -i, --interval SECONDS  how long a measurement takes; 1 by default
  -s, --sort KEY          ${sortKeys.join(', ')}: runs and time are those per second and per run; cpu by default
  -f, --filter TEXT       only programs with this text in their name, type, target or process
      --once              measure once, print and exit; the default without a terminal
  -j, --json              print a line of JSON, an array, for each measurement until Ctrl-C; with --once, only one

The keys c, r, t, n, y and i sort by cpu, runs, time, name, type and id.

Requires CAP_SYS_ADMIN and Linux 5.8.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    const seconds = Number(values.interval ?? 1)
    if (!(seconds > 0 && seconds <= 3600))
      throw new UsageError(`--interval ${values.interval}: expected a number of seconds up to 3600`)
    let key: SortKey = values.sort === undefined ? 'cpu' : oneOf('key', sortKeys, values.sort)
    const json = values.json === true
    const isOnce = values.once === true || (!json && process.stdout.isTTY !== true)
    using _stats = enableStats()
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const live =
      isOnce || json
        ? undefined
        : new LiveView(stop, (wanted) => {
            key = wanted
            live?.draw(select(usage, key, values.filter), key)
          })
    let usage: Usage[] = []
    try {
      for (let before = measure(); ; ) {
        await sleep(seconds * 1000, undefined, { signal: stop.signal }).catch(() => {})
        if (stop.signal.aborted && !isOnce) break
        const now = measure()
        usage = compare(before, now)
        live?.add(usage)
        const shown = select(usage, key, values.filter)
        if (json) print(`${toJson(shown)}\n`)
        else if (live === undefined) print(show(shown))
        else live.draw(shown, key)
        before = now
        if (isOnce) break
      }
    } finally {
      live?.close()
    }
    return exitCodes.ok
  },
}

/** How many measurements the sparklines show. */
const historyLength = 12

class LiveView {
  readonly #screen: Screen
  readonly #history = new Map<number, number[]>()
  readonly #onKey: (key: Buffer) => void

  constructor(stop: AbortController, sortBy: (key: SortKey) => void) {
    this.#screen = new Screen(stop.signal)
    this.#onKey = (pressed) => {
      for (const key of pressed.toString('latin1')) {
        // Without its line discipline, the terminal passes on Ctrl-C.
        if (key === 'q' || key === '\x03') stop.abort()
        else if (Object.hasOwn(keys, key)) sortBy(keys[key]!)
      }
    }
    if (process.stdin.isTTY !== true) return
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onKey)
  }

  add(usage: readonly Usage[]): void {
    const ids = new Set(usage.map(({ id }) => id))
    for (const id of this.#history.keys()) if (!ids.has(id)) this.#history.delete(id)
    for (const { id, cpu } of usage) {
      const history = this.#history.get(id) ?? []
      this.#history.set(id, [...history, cpu].slice(-historyLength))
    }
  }

  draw(usage: readonly Usage[], key: SortKey): void {
    this.#screen.draw(show(usage, Number.MAX_SAFE_INTEGER, { of: this.#history, key }))
  }

  close(): void {
    this.#screen.close()
    if (process.stdin.isTTY !== true) return
    process.stdin.off('data', this.#onKey)
    process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}

interface History {
  of: ReadonlyMap<number, readonly number[]>
  key: SortKey
}

function show(usage: readonly Usage[], width = columns(), history?: History): string {
  const { unicode } = styleOf()
  const line = (id: number): string =>
    sparkline(history?.of.get(id) ?? [], { unicode }).padStart(historyLength)
  // A narrow table has no room for it.
  const hasTargets = history !== undefined || width >= 80
  return table(
    [
      right('id'),
      'type',
      'name',
      right('runs/s'),
      right('ns/run'),
      right('cpu %'),
      ...(history === undefined ? [] : ['cpu history']),
      ...(hasTargets ? ['attached to'] : []),
      'held by',
    ],
    usage.map((one) => [
      one.id,
      one.type,
      one.name,
      one.runsPerSecond,
      one.nanosecondsPerRun,
      one.cpu.toFixed(2),
      ...(history === undefined ? [] : [line(one.id)]),
      ...(hasTargets ? [one.targets.join(', ')] : []),
      holderNames(one.holders),
    ]),
    width,
  )
}
