// What the agent measures about itself and its BPF programs.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { BpfMetrics, Metric, MetricReading, Series } from '@libbpf-node/otel'
import { stages } from './health.js'
import type { Fill } from './map-pressure.js'
import type { Outputs } from './outputs/outputs.js'
import type { RunningProgram } from './program.js'
import type { Shedding } from './shedding.js'

interface Observed {
  programs(): Iterable<RunningProgram>
  readonly outputs: Outputs
  readonly withProgramStats: () => boolean
  readonly shedding: Shedding
}

type Point = readonly [labels: Series['labels'], value: number]

/** Adds the metrics. Returns a function that ends measuring. */
export function selfMetrics(metrics: BpfMetrics, observed: Observed): () => void {
  const delay = monitorEventLoopDelay({ resolution: 100 })
  delay.enable()
  for (const metric of describe(observed, delay)) metrics.add(metric)
  return () => delay.disable()
}

function* describe(observed: Observed, delay: ReturnType<typeof monitorEventLoopDelay>): Generator<Metric> {
  const { outputs } = observed
  const programs = (): RunningProgram[] => [...observed.programs()]
  const prefix = 'libbpf_node_agent'
  yield own('counter', `${prefix}_lost_records_total`, 'Records that were lost because a ring was full', () =>
    programs().map((program) => [{ program: program.spec.name }, Number(program.lost)]),
  )
  yield own(
    'counter',
    `${prefix}_killed_records_total`,
    'Records that the agent had read and not delivered when it was killed',
    () => programs().map((program) => [{ program: program.spec.name }, Number(program.lostByKill)]),
  )
  yield own('counter', `${prefix}_events_total`, 'Events that were given to an output', () =>
    outputs.delivered.map(({ output, sent }) => [{ output }, sent]),
  )
  yield own('counter', `${prefix}_dropped_events_total`, 'Events that an output had no room for', () =>
    outputs.delivered.map(({ output, dropped }) => [{ output }, dropped]),
  )
  yield own('counter', `${prefix}_failed_events_total`, 'Events that the receiver did not take', () =>
    outputs.delivered.map(({ output, failed }) => [{ output }, failed]),
  )
  yield own('gauge', `${prefix}_program_failures`, 'BPF programs that are not attached, by what failed', () =>
    programs().flatMap(({ name, health: { failures } }) =>
      stages.map(
        (stage): Point => [
          { program: name, stage },
          failures.filter((failure) => failure.stage === stage).length,
        ],
      ),
    ),
  )
  yield own(
    'gauge',
    `${prefix}_sample_ratio`,
    'The share of its events that a program looks at: less than 1 if a limit was reached, 0 if it is detached',
    () => programs().map((program) => [{ program: program.name }, observed.shedding.ratioOf(program)]),
  )
  yield own(
    'counter',
    `${prefix}_sheddings_total`,
    'How often less was looked at because of the limits',
    () => [[{}, observed.shedding.steps]],
  )
  yield own('gauge', `${prefix}_followed_probes`, 'Probes that are attached in containers', () =>
    programs().flatMap(({ spec, followed }): Point[] =>
      followed === undefined ? [] : [[{ program: spec.name }, followed]],
    ),
  )
  yield own('counter', 'process_cpu_seconds_total', 'CPU time of the agent', () => {
    const { user, system } = process.cpuUsage()
    return [[{}, (user + system) / 1e6]]
  })
  yield own('gauge', 'process_resident_memory_bytes', 'Memory of the agent', () => [
    [{}, process.memoryUsage.rss()],
  ])
  yield own(
    'gauge',
    'nodejs_eventloop_delay_p99_seconds',
    'How late the event loop is, since the last time',
    () => {
      const p99 = delay.percentile(99) / 1e9
      delay.reset()
      return [[{}, Number.isFinite(p99) ? p99 : 0]]
    },
  )
  const fills = (read: (fill: Fill) => number) => async (): Promise<Point[]> => {
    const points: Point[] = []
    for (const program of programs())
      for (const fill of await program.fill())
        points.push([{ program: program.name, map: fill.map, type: fill.type }, read(fill)])
    return points
  }
  yield own(
    'gauge',
    'bpf_map_entries',
    'Entries of a map',
    fills(({ entries }) => entries),
  )
  yield own(
    'gauge',
    'bpf_map_max_entries',
    'Entries that a map has room for',
    fills(({ maxEntries }) => maxEntries),
  )
  const stats = (read: (info: { runTimeNs: bigint; runCount: bigint }) => number) => (): Point[] =>
    (observed.withProgramStats() ? programs() : []).flatMap(({ spec, object }) =>
      [...(object?.programs.values() ?? [])]
        .filter(({ loaded }) => loaded)
        .map((program): Point => [{ program: spec.name, bpf: program.name }, read(program.info())]),
    )
  yield own(
    'counter',
    'bpf_program_run_seconds_total',
    'How long BPF programs have run',
    stats(({ runTimeNs }) => Number(runTimeNs) / 1e9),
  )
  yield own(
    'counter',
    'bpf_program_runs_total',
    'How often BPF programs have run',
    stats(({ runCount }) => Number(runCount)),
  )
}

function own(
  kind: 'counter' | 'gauge',
  name: string,
  description: string,
  points: () => readonly Point[] | Promise<readonly Point[]>,
): Metric {
  const about = { name, description, unit: '', kind, boundaries: [], hasSum: false } as const
  return {
    ...about,
    async read(): Promise<MetricReading> {
      const series = (await points()).map(([labels, value]) => ({ labels, values: [value] }))
      return { ...about, series }
    },
  }
}
