import type { Link } from '../links/link.js'

/**
 * A Map whose entries are properties, too: `maps.counts` is `maps.get('counts')`. An entry with the name of something that every Map has
 * (`get`, `size`) can only be had with `get`. The properties are not enumerable: it is a Map to whoever looks at it.
 *
 * @internal
 */
export function namedMap<T>(entries: Iterable<readonly [string, T]>): ReadonlyMap<string, T> {
  const map = new Map(entries)
  for (const [name, value] of map) if (!(name in map)) Object.defineProperty(map, name, { value })
  return map
}

/** A Set of links with a property for each program and struct_ops map: its last link that is open. @internal */
export function namedLinks(programs: Iterable<string>, structOps: Iterable<string>): Set<Link> {
  const links = new Set<Link>()
  const define = (name: string, isOf: (link: Link) => boolean) => {
    if (!(name in links)) Object.defineProperty(links, name, { get: () => [...links].findLast(isOf) })
  }
  for (const name of programs) define(name, (link) => link.program === name)
  for (const name of structOps) define(name, (link) => link.program === undefined && link.target === name)
  return links
}
