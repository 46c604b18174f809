import { BpfError } from '../errors/errors.js'
import type { Exchange, ExchangeKind, Link } from '../links/link.js'
import { differences, layoutOf } from '../maps/layout.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { hasChanged, Migration, type Migrations, publish } from './migrate.js'
import type { BpfObject } from './object.js'

/** Options for {@link BpfObject.replace}. */
export interface ReplaceOptions {
  /**
   * The names of the maps that are taken over. By default all maps that both versions have, except for those with
   * global variables.
   */
  maps?: Iterable<string>
  /**
   * How to convert the entries of maps whose types, sizes or flags have changed. Such a map is not taken over: the new
   * version gets a map of its own, which is filled before the links move. If the map is pinned, the new map then takes
   * the place of the old one at its path.
   *
   * @example
   * await obj.replace(next, { migrate: { counts: (pid: number, count: bigint) => [pid, { count, bytes: 0n }] } })
   */
  migrate?: Migrations
}

/** What {@link BpfObject.replace} did. */
export interface Replacement {
  /** The names of the maps that were taken over. */
  maps: string[]
  /** The names of the maps whose entries were migrated. */
  migrated: string[]
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
  { maps, migrate = {} }: ReplaceOptions,
): Promise<Replacement> {
  const steps = [...old.links].map((link) => [link, planExchange(old, next, link)] as const)
  const migrations = planMigrations(old, next, migrate)
  const migrated = migrations.map(({ name }) => name)
  const shared = [...(maps ?? commonMaps(old, next))].filter((name) => !migrated.includes(name))
  for (const name of shared) takeOver(old.map(name), next.map(name))
  await next.load()
  for (const { migration } of migrations) await migration.copy()

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
    // The pins come last: nothing can fail after them.
    for (const { migration } of migrations) migration.catchUp()
    publish(pinnedOf(migrations))
  } catch (error) {
    for (const step of done.reverse()) step.undo()
    throw error
  }
  for (const { map, path } of migrations) if (path !== undefined) map.pinPath = path
  const closing = done.map((step) => step.finish()).filter((handle) => handle !== undefined)
  if (closing.length > 0) await native.linkCloseAsync(closing)
  const duration = process.hrtime.bigint() - begin
  return { maps: shared, migrated, links: done.map(({ link, kind }) => ({ link, kind })), gone, duration }
}

interface PlannedMigration {
  readonly name: string
  readonly old: BpfMap<unknown, unknown>
  readonly map: BpfMap<unknown, unknown>
  readonly path: string | undefined
  readonly migration: Migration
}

/** The maps that have changed and can be migrated. */
function planMigrations(old: BpfObject, next: BpfObject, migrate: Migrations): PlannedMigration[] {
  const planned: PlannedMigration[] = []
  for (const [name, make] of Object.entries(migrate)) {
    if (typeof make !== 'function') throw new TypeError(`migrate.${name} is not a function`)
    const [from, map]: BpfMap<unknown, unknown>[] = [old.map(name), next.map(name)]
    if (!hasChanged(from!, old.types, map!, next.types)) continue
    const path = map!.pinPath
    // libbpf would take the pinned map, or refuse it.
    if (path !== undefined) map!.pinPath = undefined
    planned.push({ name, old: from!, map: map!, path, migration: new Migration(from!, map!, make) })
  }
  return planned
}

function pinnedOf(migrations: readonly PlannedMigration[]) {
  return migrations.flatMap(({ path, ...rest }) => (path === undefined ? [] : [{ ...rest, path }]))
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
      `take over map '${from.name}': it has ${list.join(', ')}; convert its entries with the option 'migrate', or leave the map out of the option 'maps' to give the new version a map of its own`,
      { code: 'ERR_BPF_MISMATCH', map: from.name },
    )
  }
  to.reuse(from)
}
