import { nearest as nearestNames } from '../errors/nearest.js'

/** "Did you mean 'x'?", or nothing if no name is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const [found] = nearestNames(name, names)
  return found === undefined ? undefined : `Did you mean '${found}'?`
}
