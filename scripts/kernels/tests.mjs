// Decides which tests run on which kernel.
import { readFileSync } from 'node:fs'
import { files } from '../files.mjs'

/** Tests that do not depend on the kernel or cannot run in a guest. */
const elsewhere = [
  // Only text, types, files and packages.
  /^test\/(docs\/(typed-data|pages|links|readme|cli|troubleshooting|kernel-side|tracing-bpftrace)|objects\/(shape|linker)|native\/binding)\.test/,
  /^test\/(codegen|package|arm64|properties|helpers)\//,
  /^test\/(cli\/(init|types|usage|words|hooks)|tools\/usage|errors\/codes|docs\/(testing|tutorial)|format\/format)\.test/,
  // Compiled with the vmlinux.h of the machine that builds.
  /^test\/hooks\/to-c\.test/,
  // What the compiler says, in which the kernel has no part.
  /^test\/compiler\/(gen|agreement|files|newcomers|parts|(.*-|.*\/)?mistakes|helpers\/table)\.test/,
  /^test\/(asm\/(listing|round-trip|object-reader)|testing\/(packets|coverage|core|emulator|helpers|objects|every-object)|cli\/object)\.test/,
  /^test\/(pictures\/|profile\/(outputs|page|push)|machine\/elf-file|symbols\/(demangle|hostile|dwarf|jit-names|lines|user|xz))/,
  // Compares with programs of the host, whose versions do not depend on the kernel.
  /^test\/(symbols\/perf|tools\/comparison|cli\/attached)\.test/,
  // The BTF of every kernel is read in the same way; that of the running kernel is enough.
  /^test\/btf\/(?!btf\.|kernel-btf\.)/,
  // Dozens of processes that take three seconds each, and behave in the same way on every kernel; npm.
  /^test\/(native\/(lifecycle|workers)|examples\/heads|events\/example-worker)\.test/,
  // What the command line makes of answers; test/trace asks the kernel the same. Profiles take minutes there.
  /^test\/(cli\/(actions|doctor|profile|questions|system|terminal)|docs\/tracing|profile\/profile)\.test/,
  // Hundreds of processes, Workers and interfaces; what native code makes of any arguments.
  /^test\/xdp\/(lifecycle|native)\.test/,
  // Packets in network namespaces, seen by programs in both languages; the tests in C run on the oldest kernel.
  /^test\/examples\/twins-network\.test/,
  // What is said of objects for other kernels than the running one.
  /^test\/doctor\/object\.test/,
  // Memory and threads of JavaScript.
  /^test\/(native\/realms|events\/(forgotten|workers))\.test/,
  // Depend on timing, or send hundreds of thousands of events to show that the event loop keeps running.
  /^test\/events\/(soak|budget|held|readers)\.test/,
  // Files and text, other servers, and dozens of processes.
  /^packages\/agent\/test\/(?!collections\.)/,
  /^packages\/otel\/test\/(containers\/|docs\.|events\.)/,
  // An emulated processor writes tens of megabytes of verifier log for minutes.
  /^test\/errors\/long-log\.test/,
]

/**
 * Tests of interfaces that have not changed for a long time, and the examples that have twins. They only run on the oldest
 * kernel, which differs most from the kernels of developers.
 */
const onOldest = [
  /^test\/events\/(callbacks|consume|lost|pause|perf-overwritable|portable|several-rings|sizes|waking)\.test/,
  /^test\/(docs\/cookbook|examples\/(activity|network|tracing)|maps\/(async|iteration|members|setters)|objects\/object-options|programs\/program-setters|events\/(processes|exactly-once)|maps\/codecs)\.test/,
]

/**
 * What libbpf and this library do with interfaces that all kernels have in the same form. These tests run on the oldest
 * and the newest kernel, and not on those in between.
 */
const onOldestAndNewest = [
  /^test\/(maps|events|cli|kernel|native|links|docs)\//,
  /^test\/compiler\/(random|odd-programs|signs)\.test/,
  /^test\/(errors|examples|hooks|log|profile|programs|symbols|tools|xdp)\//,
  /^test\/objects\/(?!bad-input-like-c\.)/,
  /^packages\/otel\//,
]

/** Workloads that programs in both languages see, for which one kernel is enough. */
const onNewest = [/^test\/examples\/twins-tracing\.test/]

/** Tests that run on arm64 only, of what x64 has made for it. */
const onArm64 = [/^test\/codegen\/other-machine\.test/]

/** Tests that change the state of the kernel. Each of them has a guest of its own. */
export const alone = [/^test\/cli\/locked-down\.test/]

/** Returns the test files for a kernel. */
export function kernelTests(kernel) {
  const left = [...elsewhere]
  const isOldest = kernel === '5.10'
  const isNewest = kernel.startsWith('newest')
  if (!isOldest) left.push(...onOldest)
  if (!isNewest) left.push(...onNewest)
  if (!isOldest && !isNewest) left.push(...onOldestAndNewest)
  const all = ['test', 'packages/otel/test', 'packages/agent/test'].flatMap((folder) =>
    files(folder, /\.test\.ts$/),
  )
  const isOf = (patterns) => (file) => patterns.some((pattern) => pattern.test(file))
  const more = kernel.endsWith('-arm64') ? all.filter(isOf(onArm64)) : []
  return [...all.filter((file) => !isOf(left)(file)), ...more]
}

/**
 * Returns whether a kernel may skip a test: it is older than the version in the name of the test or built without the
 * option in the name, or the test is for kernels unlike Debian's or needs a program that could not be fetched.
 */
export function maySkip({ release, config }, name) {
  const [, version] = name.match(/\(Linux ([\d.]+)\)/) ?? []
  if (version !== undefined && isOlder(release, version)) return true
  const [, option] = name.match(/built without (CONFIG_\w+)/) ?? []
  if (option !== undefined) return !new RegExp(`^${option}=[ym]`, 'm').test(readFileSync(config, 'utf8'))
  return /\((this kernel: not hardened|(bpftool|xdp-loader) is not installed)/.test(name)
}

function isOlder(release, version) {
  const number = (text) => {
    const [major, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10))
    return major * 1000 + minor
  }
  return number(release) < number(version)
}
