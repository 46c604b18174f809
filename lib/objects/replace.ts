import { BpfError } from '../errors/errors.js'
import type { Exchange, ExchangeKind, Link } from '../links/link.js'
import { differences, layoutOf } from '../maps/layout.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import type { BpfObject } from './object.js'

/** Options for {@link BpfObject.replace}. */
export interface ReplaceOptions {
  /**
   * The names of the maps that are taken over. By default all maps that both versions have, except for those with
   * global variables.
   */
  maps?: Iterable<string>
}

/** What {@link BpfObject.replace} did. */
export interface Replacement {
  /** The names of the maps that were taken over. */
  maps: string[]
  /** The links that now run the new version's program, and how each was moved. */
  links: { link: Link; kind: ExchangeKind }[]
  /** The links whose target (interface, cgroup, network namespace) no longer exists. They stay with the old object. */
  gone: Link[]
  /** Nanoseconds from the change of the first link to the change of the last one. */
  duration: bigint
}

/** @internal */
export async function replace(
  old: BpfObject,
  next: BpfObject,
  { maps }: ReplaceOptions,
): Promise<Replacement> {
  const steps = [...old.links].map((link) => [link, planExchange(old, next, link)] as const)
  const shared = [...(maps ?? commonMaps(old, next))]
  for (const name of shared) takeOver(old.map(name), next.map(name))
  await next.load()

  const done: Exchange[] = []
  const gone: Link[] = []
  const begin = process.hrtime.bigint()
  try {
    for (const [link, exchange] of steps) {
      try {
        done.push(await exchange())
      } catch (error) {
        if (!(error instanceof BpfError && error.code === 'ENOLINK')) throw error
        gone.push(link)
      }
    }
  } catch (error) {
    for (const step of done.reverse()) step.undo()
    throw error
  }
  const closing = done.map((step) => step.finish()).filter((handle) => handle !== undefined)
  if (closing.length > 0) await native.linkCloseAsync(closing)
  const duration = process.hrtime.bigint() - begin
  return { maps: shared, links: done.map(({ link, kind }) => ({ link, kind })), gone, duration }
}

/** Returns the function that puts the new version of a link's program in its place. */
function planExchange(old: BpfObject, next: BpfObject, link: Link): () => Promise<Exchange> {
  if (link.program === undefined) {
    const [before, after] = [old.map(link.target!), next.map(link.target!)]
    return async () => link.exchangeMap(before, after)
  }
  const [before, after] = [old.program(link.program), next.program(link.program)]
  if (before.type !== after.type || before.expectedAttachType !== after.expectedAttachType) {
    const kinds = [before, after].map((p) => `${p.type} (${p.expectedAttachType})`)
    throw new BpfError(
      `replace object '${old.name}': program '${before.name}' has type ${kinds[0]}, but the new one has type ${kinds[1]}`,
      { code: 'ERR_BPF_STATE', object: old.name, program: before.name },
    )
  }
  return () => link.exchange(before, after)
}

function commonMaps(old: BpfObject, next: BpfObject): string[] {
  const isShared = (map: BpfMap<unknown, unknown> | undefined) =>
    map !== undefined && !map.isInternal && map.type !== 'struct_ops' && map.autocreate
  return [...old.maps.keys()].filter((name) => isShared(old.maps.get(name)) && isShared(next.maps.get(name)))
}

function takeOver(from: BpfMap<unknown, unknown>, to: BpfMap<unknown, unknown>): void {
  const wanted = layoutOf(to)
  // 0 means one entry for each CPU. libbpf fills it in when it creates the map.
  if (wanted.maxEntries === 0) wanted.maxEntries = from.maxEntries
  const list = differences(layoutOf(from), wanted)
  if (list.length > 0) {
    throw new BpfError(
      `take over map '${from.name}': it has ${list.join(', ')}; leave it out of the option 'maps' to give the new version a map of its own`,
      { code: 'ERR_BPF_MISMATCH', map: from.name },
    )
  }
  to.reuse(from)
}
