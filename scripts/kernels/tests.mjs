// Which tests run on each kernel.
import { readFileSync } from 'node:fs'
import { files } from '../files.mjs'

/** Those that say nothing about a kernel, or cannot run in a guest, and why. */
const elsewhere = [
  // Text, types and files alone.
  /^test\/(typings|typed-data|docs|shape|linker|binding)\.test/,
  /^test\/codegen\//,
  /^test\/btf\/(?!btf\.|kernel\.)/,
  // Processes by the dozen, of three seconds each, in the same way on every kernel; npm and examples.
  /^test\/(lifecycle|readme|examples)\.test/,
  // Count on time, or have events by the hundred thousand to show that the event loop goes on.
  /^test\/(events\/(soak|budget)|ring-buffer-readers)\.test/,
]

export const kernelTests = () =>
  files('test', /\.test\.ts$/).filter((file) => !elsewhere.some((pattern) => pattern.test(file)))

/**
 * Whether a kernel may skip a test: it is older than the version in the test's name, or built without what the name
 * says, or the test is of kernels that are unlike Debian's.
 */
export function maySkip({ release, config }, name) {
  const [, version] = name.match(/\(Linux ([\d.]+)\)/) ?? []
  if (version !== undefined && isOlder(release, version)) return true
  const [, option] = name.match(/built without (CONFIG_\w+)/) ?? []
  if (option !== undefined) return !new RegExp(`^${option}=[ym]`, 'm').test(readFileSync(config, 'utf8'))
  return /\(this kernel: not hardened/.test(name)
}

function isOlder(release, version) {
  const number = (text) => {
    const [major, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10))
    return major * 1000 + minor
  }
  return number(release) < number(version)
}
