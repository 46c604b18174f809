import { didYouMean } from '../errors/nearest.js'

/** "Did you mean 'x'?", or nothing if no name is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const text = didYouMean(name, names)
  const found = /'([^']+)'/.exec(text)
  return found === null ? undefined : `Did you mean '${found[1]}'?`
}
