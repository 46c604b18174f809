// The programs, maps and links that a reference names.
import { readFileSync } from 'node:fs'
import {
  type Held,
  linkInfo,
  listLinks,
  listMaps,
  listPrograms,
  mapInfo,
  programInfo,
} from '../kernel/inventory.js'
import { listPins, openPin } from '../kernel/pins.js'
import { Link } from '../links/link.js'
import type { LinkInfo } from '../links/link-info.js'
import { BpfMap } from '../maps/map.js'
import { openMap } from '../maps/open-map.js'
import type { MapInfo, OpenFlags } from '../maps/types.js'
import type { ProgramOptions } from '../programs/foreign.js'
import type { ProgramInfo } from '../programs/info.js'
import { Program } from '../programs/program.js'
import { Failed } from './command.js'
import type { Reference } from './words.js'

type Infos = { program: ProgramInfo; map: MapInfo; link: LinkInfo }
type Kind = keyof Infos

const all: { [K in Kind]: (options?: { holders?: boolean }) => Iterable<Infos[K] & Held> } = {
  program: listPrograms,
  map: listMaps,
  link: listLinks,
}
const byId: { [K in Kind]: (id: number) => Infos[K] } = { program: programInfo, map: mapInfo, link: linkInfo }

/** What matches a reference, with the processes that hold it. Without a reference, everything. */
export function find<K extends Kind>(kind: K, reference: Reference | undefined): (Infos[K] & Held)[] {
  const found = [...all[kind]({ holders: true })]
  if (reference === undefined) return found
  if (reference.by === 'pinned') return found.filter(({ id }) => id === pinnedId(kind, reference.text))
  if (reference.by === 'id') {
    // It may have been loaded in the meantime. If not, this throws the error that says so.
    const own = found.filter(({ id }) => id === reference.id)
    return own.length > 0 ? own : [byId[kind](reference.id)]
  }
  const { by, text } = reference
  const matching = found.filter((info) => (info as unknown as Record<string, unknown>)[by] === text)
  if (matching.length === 0) throw new Failed(`no ${kind} has the ${by} '${text}'`)
  return matching
}

/** The id of the only object that a reference names. */
export function idOfOne(kind: Kind, reference: Reference): number {
  if (reference.by === 'id') return reference.id
  if (reference.by === 'pinned') return pinnedId(kind, reference.text)
  const ids = find(kind, reference).map(({ id }) => id)
  if (ids.length > 1)
    throw new Failed(`several ${kind}s have the ${reference.by} '${reference.text}': ids ${ids.join(', ')}`)
  return ids[0]!
}

function pinnedId(kind: Kind, path: string): number {
  using pinned = openPin(path)
  const is: Kind = pinned instanceof Program ? 'program' : pinned instanceof BpfMap ? 'map' : 'link'
  if (is !== kind) throw new Failed(`${path} is a ${is}, not a ${kind}`)
  return pinned.info().id
}

export const openProgram = (reference: Reference, options?: ProgramOptions): Program =>
  reference.by === 'pinned'
    ? Program.fromPin(reference.text, options)
    : Program.fromId(idOfOne('program', reference), options)

export function openAnyMap(reference: Reference, options?: OpenFlags): BpfMap<unknown, unknown> {
  if (reference.by !== 'pinned') return openMap<unknown, unknown>(idOfOne('map', reference), options)
  const pinned = openPin(reference.text, options)
  if (pinned instanceof BpfMap) return pinned
  pinned.close()
  throw new Failed(`${reference.text} is not a map`)
}

export const openLink = (reference: Reference): Link =>
  reference.by === 'pinned' ? Link.open(reference.text) : Link.fromId(idOfOne('link', reference))

/** The full name of a program; `undefined` if it is gone, or this process may not open it. */
export function programName(id: number): string | undefined {
  try {
    using program = Program.fromId(id)
    return program.name
  } catch {
    return undefined
  }
}

/** The paths of what is pinned in the BPF file systems, by id. */
export function pinsOf(kind: Kind): Map<number, string[]> {
  const paths = new Map<number, string[]>()
  for (const folder of bpfFileSystems()) {
    for (const pin of listPins(folder)) {
      if (pin.kind === kind) paths.set(pin.info.id, [...(paths.get(pin.info.id) ?? []), pin.path])
    }
  }
  return paths
}

/** Where they are mounted, each once. */
function bpfFileSystems(): Set<string> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').matchAll(/^\S+ (\S+) bpf /gm)
  const plain = (path: string) =>
    path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  return new Set([...mounts].map(([, path = '']) => plain(path)))
}
