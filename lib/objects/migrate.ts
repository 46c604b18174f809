// Maps whose layout differs between two versions: a new map is filled from the old one, and takes its place.
import { renameSync, rmSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Btf } from '../btf/btf.js'
import { jsonReplacer } from '../btf/json.js'
import type { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { BpfError } from '../errors/errors.js'
import { differences, layoutOf } from '../maps/layout.js'
import { BpfMap } from '../maps/map.js'
import { typedMap } from '../maps/open-map.js'
import { native } from '../native/binding.js'
import type { BpfObject } from './object.js'

type AnyMap = BpfMap<unknown, unknown>

/** What a {@link Migrate} function learns about an entry that the old version changed after it was copied. */
export interface LateChange<V = unknown, NewV = unknown> {
  /** The value that the function got before; `undefined` if there was none. */
  readonly previous: V | undefined
  /** What the new map has for the key that the function returned before; `undefined` if it has nothing. */
  readonly current: NewV | undefined
}

/**
 * Makes an entry of the new layout from one of the old layout; `undefined` drops it.
 *
 * {@link BpfObject.replace} calls it a second time, with `late`, for entries that the old version has changed between
 * the copy and the moment when its programs stopped. By then the programs of the new version run. The entry that you
 * return is set; for a counter, add `value - previous` to `current`.
 */
export type Migrate = {
  // As a method, so that a function may declare the types of its key and value.
  migrate(
    key: unknown,
    value: unknown,
    late?: LateChange,
  ): readonly [key: unknown, value: unknown] | undefined
}['migrate']

/** {@link Migrate} functions by the names of maps. Maps whose types have not changed do not need one, but may have it. */
export type Migrations = Readonly<Record<string, Migrate>>

/** Entries that are set between two turns of the event loop. */
const batchSize = 1024

/** One map that is being filled from another. */
export class Migration {
  readonly #from: AnyMap
  readonly #to: AnyMap
  readonly #migrate: Migrate
  readonly #seen = new Map<string, { value: unknown; made: readonly [unknown, unknown] | undefined }>()

  constructor(from: AnyMap, to: AnyMap, migrate: Migrate) {
    this.#from = from
    this.#to = to
    this.#migrate = migrate
  }

  /** Copies all entries. */
  async copy(): Promise<void> {
    let batch: (readonly [unknown, unknown])[] = []
    for (const [key, value] of this.#from.entries()) {
      const made = this.#migrate(key, value)
      this.#seen.set(textOf(key), { value, made })
      if (made !== undefined) batch.push(made)
      if (batch.length < batchSize) continue
      this.#to.setMany(batch)
      batch = []
      await nextTurn()
    }
    this.#to.setMany(batch)
  }

  /** Copies what has changed since. To be called when nothing changes the old map any more. */
  catchUp(): void {
    for (const [key, value] of this.#from.entries()) {
      const text = textOf(key)
      const seen = this.#seen.get(text)
      this.#seen.delete(text)
      if (seen !== undefined && isDeepStrictEqual(seen.value, value)) continue
      const current = seen?.made && this.#to.get(seen.made[0])
      const made = this.#migrate(key, value, { previous: seen?.value, current })
      if (made !== undefined) this.#to.set(made[0], made[1])
    }
    // What is left was deleted in the old map.
    for (const { made } of this.#seen.values()) if (made !== undefined) this.#to.delete(made[0])
  }
}

const textOf = (key: unknown): string => JSON.stringify(key, jsonReplacer)

/** Whether a map was declared differently from what it is to become. */
export function hasChanged(
  from: AnyMap,
  fromTypes: BtfTypes | undefined,
  to: AnyMap,
  toTypes: BtfTypes,
): boolean {
  const wanted = layoutOf(to)
  // 0 means one entry for each CPU. libbpf fills it in when it creates the map.
  if (wanted.maxEntries === 0) wanted.maxEntries = from.maxEntries
  if (differences(layoutOf(from), wanted).length > 0) return true
  const before = plansOf(fromTypes, from)
  return before !== undefined && !isDeepStrictEqual(before, plansOf(toTypes, to))
}

/** How keys and values are read: names, places and kinds of all members. */
function plansOf(types: BtfTypes | undefined, map: AnyMap): unknown[] | undefined {
  const ids = [map.btfKeyTypeId, map.btfValueTypeId]
  if (types === undefined || ids[1] === 0) return undefined
  return ids.map((id) => (id === 0 ? undefined : new Planner(types, false).plan(id)))
}

/** A map that is to be pinned in place of another one. */
export interface PinnedMap {
  readonly map: AnyMap
  readonly path: string
}

/**
 * Pins maps in place of what is pinned there. Anyone who opens the path gets the old map or the new one, never none.
 *
 * @returns a function that puts the old maps back
 */
export function publish(pins: readonly (PinnedMap & { readonly old: AnyMap })[]): () => void {
  const place = (list: readonly PinnedMap[]): void => {
    const temporary = ({ path }: PinnedMap) => `${path}_new_${process.pid}`
    try {
      for (const pin of list) {
        using map = BpfMap.fromFd(pin.map.fd)
        map.pin(temporary(pin))
      }
      for (const pin of list) renameSync(temporary(pin), pin.path)
    } catch (error) {
      for (const pin of list) rmSync(temporary(pin), { force: true })
      throw error
    }
  }
  place(pins)
  return () => place(pins.map(({ old, path }) => ({ map: old, path })))
}

/** The maps of an object that are pinned already, but in another layout. */
export class PinMigration implements Disposable {
  readonly #steps: { map: AnyMap; old: AnyMap; path: string; migrate: Migrate }[] = []

  /** To be called before load. */
  constructor(object: BpfObject, migrations: Migrations) {
    try {
      for (const [name, migrate] of Object.entries(migrations)) this.#add(object, name, migrate)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  #add(object: BpfObject, name: string, migrate: Migrate): void {
    if (typeof migrate !== 'function') throw new TypeError(`migrate.${name} is not a function`)
    const map: AnyMap = object.map(name)
    const path = map.pinPath
    if (path === undefined) {
      throw new BpfError(
        `object '${object.name}': map '${name}' is not declared with LIBBPF_PIN_BY_NAME and has no pinPath, so there is nothing to migrate from`,
        { code: 'ERR_BPF_STATE', object: object.name, map: name },
      )
    }
    const old = openPinned(path)
    if (old === undefined) return
    if (!hasChanged(old.map, old.types, map, object.types)) {
      old.map.close()
      return
    }
    this.#steps.push({ map, old: old.map, path, migrate })
    // libbpf would take the pinned map, or refuse it.
    map.pinPath = undefined
  }

  /** Fills the new maps and pins them. To be called after load. */
  async run(): Promise<void> {
    for (const { old, map, migrate } of this.#steps) await new Migration(old, map, migrate).copy()
    publish(this.#steps)
    for (const { map, path } of this.#steps) map.pinPath = path
  }

  [Symbol.dispose](): void {
    for (const { old } of this.#steps) old.close()
  }
}

/** A pinned map with the types that it was created with. */
function openPinned(path: string): { map: AnyMap; types: BtfTypes | undefined } | undefined {
  let map: AnyMap
  try {
    using found = BpfMap.fromPin(path)
    map = typedMap<unknown, unknown>(native.mapFromFd(found.fd))
  } catch (error) {
    if (error instanceof BpfError && error.code === 'ENOENT') return undefined
    throw error
  }
  const { btfId } = map.info()
  using btf = btfId === 0 ? undefined : Btf.fromId(btfId)
  return { map, types: btf?.types }
}
