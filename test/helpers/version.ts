// Which kernel runs. Apart from the helpers of tests, so that scripts can use it without vitest.
import { release } from 'node:os'

const parse = (version: string): number => {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major * 1000 + minor
}

/** Whether the running kernel is this version or newer. */
export const kernelIs = (version: string): boolean => parse(release()) >= parse(version)
