// What programs cost: the measurements of `top`.
import { type Held, listLinks, listPrograms } from '../kernel/inventory.js'
import type { ProgramInfo } from '../programs/info.js'
import { targetOf } from './targets.js'

export interface Measurement {
  /** Nanoseconds. */
  time: bigint
  programs: Map<number, ProgramInfo & Held>
  /** What each program is attached to with links. */
  targets: Map<number, string[]>
}

export interface Usage {
  id: number
  type: string
  name: string
  /** During the measurement. */
  runs: number
  runsPerSecond: number
  nanosecondsPerRun: number
  /** Percent of one CPU. */
  cpu: number
  /** What it is attached to with links. */
  targets: readonly string[]
  holders: Held['holders']
}

export const sortKeys = ['cpu', 'runs', 'time', 'name', 'type', 'id'] as const
export type SortKey = (typeof sortKeys)[number]

/** The names of links by their ids. A link keeps its target. */
const known = new Map<number, string>()

export function measure(): Measurement {
  const targets = new Map<number, string[]>()
  for (const info of listLinks()) {
    const target = known.get(info.id) ?? targetOf(info)
    known.set(info.id, target)
    if (target !== '') targets.set(info.programId, [...(targets.get(info.programId) ?? []), target])
  }
  return {
    time: process.hrtime.bigint(),
    programs: new Map([...listPrograms({ holders: true })].map((info) => [info.id, info])),
    targets,
  }
}

/** What each program did between two measurements. All runs of a new program count. */
export function compare(before: Measurement, now: Measurement): Usage[] {
  const elapsed = Number(now.time - before.time)
  return [...now.programs.values()].map((info) => {
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
      targets: now.targets.get(info.id) ?? [],
      holders: info.holders,
    }
  })
}

const orders: Readonly<Record<SortKey, (a: Usage, b: Usage) => number>> = {
  cpu: (a, b) => b.cpu - a.cpu || b.runs - a.runs,
  runs: (a, b) => b.runs - a.runs,
  time: (a, b) => b.nanosecondsPerRun - a.nanosecondsPerRun,
  name: (a, b) => compareText(a.name, b.name),
  type: (a, b) => compareText(a.type, b.type) || b.cpu - a.cpu,
  id: () => 0,
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Those that contain a text in their name, type, target or process, in the given order. */
export function select(usage: readonly Usage[], key: SortKey, filter: string | undefined): Usage[] {
  const wanted = filter?.toLowerCase()
  const texts = ({ name, type, targets, holders = [] }: Usage): string[] => [
    name,
    type,
    ...targets,
    ...holders.map(({ comm }) => comm),
  ]
  return usage
    .filter((one) => wanted === undefined || texts(one).some((text) => text.toLowerCase().includes(wanted)))
    .sort((a, b) => orders[key](a, b) || a.id - b.id)
}
