// Which tests run on each kernel.
import { files } from '../files.mjs'

/** Those that say nothing about a kernel, or cannot run in a guest, and why. */
const elsewhere = [
  // Text, types and files alone.
  /^test\/(typings|shape|linker|binding)\.test/,
  /^test\/codegen\//,
  /^test\/btf\/(?!btf\.|kernel\.)/,
  // Processes by the dozen, of three seconds each, in the same way on every kernel; npm and examples.
  /^test\/(lifecycle|readme)\.test/,
  // Count on time, or have events by the hundred thousand to show that the event loop goes on.
  /^test\/(events\/(soak|budget)|ring-buffer-readers)\.test/,
]

export const kernelTests = () =>
  files('test', /\.test\.ts$/).filter((file) => !elsewhere.some((pattern) => pattern.test(file)))

/**
 * Whether a kernel may skip a test: it is older than the version at the end of the name, or the test is of kernels
 * that are unlike those of the matrix.
 */
export function maySkip(release, name) {
  const [, version] = name.match(/\(Linux ([\d.]+)\)$/) ?? []
  if (version !== undefined) return isOlder(release, version)
  return name.endsWith('(this kernel: not hardened: fentry programs are not refused)')
}

export function isOlder(release, version) {
  const number = (text) => {
    const [major, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10))
    return major * 1000 + minor
  }
  return number(release) < number(version)
}
