// Which tests run on each kernel.
import { readFileSync } from 'node:fs'
import { files } from '../files.mjs'

/** Those that say nothing about a kernel, or cannot run in a guest, and why. */
const elsewhere = [
  // Text, types, files and packages alone.
  /^test\/(docs\/(typed-data|pages|links|readme|cli|troubleshooting)|objects\/(shape|linker)|native\/binding)\.test/,
  /^test\/(codegen|package|arm64|properties)\//,
  // The kernel's BTF is read in the same way wherever it comes from; that of the running kernel is enough.
  /^test\/btf\/(?!btf\.|kernel-btf\.)/,
  // Processes by the dozen, of three seconds each, in the same way on every kernel; npm.
  /^test\/(native\/(lifecycle|workers)|examples\/heads|events\/example-worker)\.test/,
  // JavaScript's memory and threads.
  /^test\/(native\/realms|events\/(forgotten|workers))\.test/,
  // Count on time, on what happens while others are at work, or have events by the hundred thousand to show that the event loop goes on.
  /^test\/events\/(soak|budget|held|ring-buffer-held|ring-buffer-readers)\.test/,
]

/**
 * What we and libbpf do with what the kernel gives in the same way since long ago: on the oldest kernel, which is the farthest
 * from those that people develop on.
 */
const onOldest = [
  /^test\/events\/(callbacks|consume|lost|pause|perf-overwritable|portable|several-rings|sizes|waking)\.test/,
  /^test\/(cli\/(system|terminal)|docs\/cookbook|maps\/(async|members|setters)|objects\/object-options|programs\/program-setters|events\/ring-buffer-process)\.test/,
]

/** Those that leave a kernel in another state than they found it in: each has a guest of its own. */
export const alone = [/^test\/cli\/locked-down\.test/]

/** The files for one of the kernels. */
export function kernelTests(kernel) {
  const left = kernel === '5.10' ? elsewhere : [...elsewhere, ...onOldest]
  return files('test', /\.test\.ts$/).filter((file) => !left.some((pattern) => pattern.test(file)))
}

/**
 * Whether a kernel may skip a test: it is older than the version in the test's name, or built without what the name
 * says, or the test is of kernels that are unlike Debian's, or wants bpftool, which may not be had.
 */
export function maySkip({ release, config }, name) {
  const [, version] = name.match(/\(Linux ([\d.]+)\)/) ?? []
  if (version !== undefined && isOlder(release, version)) return true
  const [, option] = name.match(/built without (CONFIG_\w+)/) ?? []
  if (option !== undefined) return !new RegExp(`^${option}=[ym]`, 'm').test(readFileSync(config, 'utf8'))
  return /\((this kernel: not hardened|bpftool is not installed)/.test(name)
}

function isOlder(release, version) {
  const number = (text) => {
    const [major, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10))
    return major * 1000 + minor
  }
  return number(release) < number(version)
}
