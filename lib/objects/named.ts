import type { Link } from '../links/link.js'

/**
 * A Map whose entries are also properties: `maps.counts` is `maps.get('counts')`. An entry with the name of a member
 * of Map (`get`, `size`) is only available with `get()`. The properties are not enumerable, so the object still prints
 * and compares as a Map.
 *
 * @internal
 */
export function namedMap<T>(entries: Iterable<readonly [string, T]>): ReadonlyMap<string, T> {
  const map = new Map(entries)
  for (const [name, value] of map) if (!(name in map)) Object.defineProperty(map, name, { value })
  return map
}

/** Adds a property for each program and struct_ops map, which holds its newest open link. @internal */
export function nameLinks(links: Set<Link>, programs: Iterable<string>, structOps: Iterable<string>): void {
  const define = (name: string, isOf: (link: Link) => boolean) => {
    if (!(name in links)) Object.defineProperty(links, name, { get: () => [...links].findLast(isOf) })
  }
  for (const name of programs) define(name, (link) => link.program === name)
  for (const name of structOps) define(name, (link) => link.program === undefined && link.target === name)
}
