import { release } from 'node:os'

const parse = (version: string): number => {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major * 1000 + minor
}

/** Whether the running kernel is older than a version such as '5.18'. */
export const kernelIsOlderThan = (version: string): boolean => parse(release()) < parse(version)

/** "it came with Linux 5.18, this is 5.10.0-32-amd64"; `undefined` if this kernel is new enough. */
export function tooOldFor(version: string | undefined): string | undefined {
  return version !== undefined && kernelIsOlderThan(version)
    ? `it came with Linux ${version}, this is ${release()}`
    : undefined
}
