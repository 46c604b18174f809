// The names of probes, which are bpftrace's: kprobe:vfs_read, tracepoint:sched:sched_switch, raw_syscalls:*.
import type { PerfBreakpoint, PerfEventName } from '../attach/perf-event-attr.js'
import type { BtfFuncProto } from '../btf/types.js'
import { typesFor } from '../compiler/hooks/attached-to.js'
import { KernelTypes } from '../compiler/kernel-types.js'
import { runningKernel } from '../compiler/running-kernel.js'
import { didYouMean } from '../errors/nearest.js'
import { globToRegExp } from '../machine/glob.js'
import { kernelFunctions, variableAddress } from '../machine/kallsyms.js'
import { foldersIn } from '../machine/read.js'
import {
  eventsFolder,
  fieldsOf,
  probeableFunctions,
  whyNoTracefs,
  whyNoTracepoint,
} from '../machine/tracefs.js'
import { TraceError } from './error.js'

/**
 * How a program is attached. Most are words of the kernel side; the others are timers, and probes that are hit once.
 */
export type ProbeHook =
  | 'tracepoint'
  | 'rawTp'
  | 'tpBtf'
  | 'kprobe'
  | 'kretprobe'
  | 'fentry'
  | 'fexit'
  | 'lsm'
  | 'uprobe'
  | 'uretprobe'
  | 'usdt'
  | 'profile'
  | 'interval'
  | 'perf'
  | 'watchpoint'
  | 'iter'
  | 'begin'
  | 'end'

/** Something that a program is attached to. */
export interface Probe {
  /** Its whole name, as in `tracepoint:sched:sched_switch`. */
  readonly name: string
  readonly hook: ProbeHook
  /**
   * The tracepoint as `category/name`, the function, the nanoseconds of a timer, the file of a uprobe, an event, an
   * address, or what an iterator goes over.
   */
  readonly target: string
  /**
   * The function in the file of a uprobe, or its address as a number; provider and name of a static probe; how many of
   * the events make a hit; how many bytes are watched, and for what: `8:w`.
   */
  readonly symbol?: string
}

/** The kinds of probes by their names in bpftrace, the short ones too. */
const kinds: Readonly<Record<string, ProbeHook>> = {
  tracepoint: 'tracepoint',
  t: 'tracepoint',
  rawtracepoint: 'rawTp',
  rt: 'rawTp',
  tp_btf: 'tpBtf',
  kprobe: 'kprobe',
  k: 'kprobe',
  kretprobe: 'kretprobe',
  kr: 'kretprobe',
  fentry: 'fentry',
  kfunc: 'fentry',
  f: 'fentry',
  fexit: 'fexit',
  kretfunc: 'fexit',
  fr: 'fexit',
  lsm: 'lsm',
  uprobe: 'uprobe',
  u: 'uprobe',
  uretprobe: 'uretprobe',
  ur: 'uretprobe',
  usdt: 'usdt',
  U: 'usdt',
  profile: 'profile',
  p: 'profile',
  interval: 'interval',
  i: 'interval',
  software: 'perf',
  s: 'perf',
  hardware: 'perf',
  h: 'perf',
  watchpoint: 'watchpoint',
  w: 'watchpoint',
  iter: 'iter',
  it: 'iter',
  begin: 'begin',
  BEGIN: 'begin',
  end: 'end',
  END: 'end',
}

/** Nanoseconds. */
const units: Readonly<Record<string, number>> = { s: 1e9, ms: 1e6, us: 1e3, ns: 1 }

/** More programs than this would take the kernel minutes to verify and attach. */
const mostProbes = 1024

/** The probes that a name stands for: one, or all that match its wildcards. */
export function probesOf(names: string | readonly string[]): Probe[] {
  const probes = (typeof names === 'string' ? names.split(',') : names).flatMap((name) => parse(name.trim()))
  const unique = [...new Map(probes.map((probe) => [probe.name, probe])).values()]
  if (unique.length > mostProbes) {
    throw new TraceError(`${names} are ${unique.length} probes; a session can have ${mostProbes}`)
  }
  return unique
}

function parse(name: string): Probe[] {
  const [first = '', ...rest] = name.split(':')
  const hook = Object.hasOwn(kinds, first) ? kinds[first] : undefined
  if ((hook === 'begin' || hook === 'end') && rest.length === 0) return [{ name: hook, hook, target: '' }]
  if (hook === 'profile' || hook === 'interval') return [timer(hook, name, rest)]
  if (hook === 'watchpoint') return [watchpoint(name, rest)]
  if (hook === 'perf') return [counted(name, first.startsWith('s') ? softwareEvents : hardwareEvents, rest)]
  if ((hook === 'uprobe' || hook === 'uretprobe') && rest.length >= 2) return [userProbe(hook, first, rest)]
  if (hook === 'usdt' && rest.length === 3 && !rest.includes('')) {
    const [file, provider, mark] = rest as [string, string, string]
    return [{ name, hook, target: file, symbol: `${provider}:${mark}` }]
  }
  if (hook === 'tracepoint' && rest.length === 2) return tracepoints(rest[0]!, rest[1]!)
  // Without a kind, two names are those of a tracepoint.
  if (hook === undefined && rest.length === 1) return tracepoints(first, rest[0]!)
  const isFunction = hook !== undefined && !/^(tracepoint|begin|end|usdt|u(ret)?probe)$/.test(hook)
  if (isFunction && rest.length === 1) return targets(hook, first, rest[0]!)
  if (hook === 'uprobe' || hook === 'uretprobe')
    throw new TraceError(`'${name}' is not a probe: write ${first}:FILE:FUNCTION`)
  if (hook === 'usdt') throw new TraceError(`'${name}' is not a probe: write ${first}:FILE:PROVIDER:NAME`)
  const hint = hook === undefined ? hintFor(first, rest) : ''
  throw new TraceError(
    `'${name}' is not a probe${hint}; probes are named like tracepoint:sched:sched_switch, rawtracepoint:sched_switch, kprobe:vfs_read, fentry:vfs_read, uprobe:/bin/bash:readline, profile:hz:99, interval:s:1 or software:faults:100`,
  )
}

/** What was meant by a name without a kind: a tracepoint or a function of that name, or another kind. */
function hintFor(first: string, rest: readonly string[]): string {
  if (rest.length > 0 || !/^\w+$/.test(first)) return didYouMean(first, Object.keys(kinds))
  const folder = eventsFolder()
  const categories = folder === undefined ? [] : foldersIn(folder)
  const category = categories.find((category) => foldersIn(`${folder}/${category}`).includes(first))
  if (category !== undefined) return `; did you mean '${category}:${first}'?`
  if (kernelTypes().function(first) !== undefined) return `; did you mean 'kprobe:${first}'?`
  return didYouMean(first, Object.keys(kinds))
}

/** `profile:hz:99` on all CPUs, and `interval:s:1` on one. */
function timer(
  hook: 'profile' | 'interval',
  name: string,
  [unit = '', number = '', ...more]: readonly string[],
): Probe {
  const count = Number(number)
  const isValid = /^[1-9]\d*$/.test(number) && more.length === 0
  if (isValid && unit === 'hz') return { name, hook, target: String(Math.max(Math.round(1e9 / count), 1)) }
  const length = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (isValid && length !== undefined) return { name, hook, target: String(BigInt(length) * BigInt(count)) }
  throw new TraceError(
    `'${name}' is not a timer: write ${hook}:hz:99, ${hook}:s:1, ${hook}:ms:100 or ${hook}:us:500`,
  )
}

/** bpftrace's names of counters, the kernel's name, and how many events make a hit by default. */
type Events = Readonly<Record<string, readonly [PerfEventName, number]>>

const softwareEvents: Events = {
  'cpu-clock': ['cpu-clock', 1_000_000],
  cpu: ['cpu-clock', 1_000_000],
  'task-clock': ['task-clock', 1_000_000],
  'page-faults': ['page-faults', 100],
  faults: ['page-faults', 100],
  'context-switches': ['context-switches', 1000],
  cs: ['context-switches', 1000],
  'cpu-migrations': ['cpu-migrations', 1],
  'minor-faults': ['minor-faults', 100],
  'major-faults': ['major-faults', 1],
  'alignment-faults': ['alignment-faults', 1],
  'emulation-faults': ['emulation-faults', 1],
}

const hardwareEvents: Events = {
  'cpu-cycles': ['cpu-cycles', 1_000_000],
  cycles: ['cpu-cycles', 1_000_000],
  instructions: ['instructions', 1_000_000],
  'cache-references': ['cache-references', 1_000_000],
  'cache-misses': ['cache-misses', 1_000_000],
  'branch-instructions': ['branch-instructions', 100_000],
  branches: ['branch-instructions', 100_000],
  'branch-misses': ['branch-misses', 100_000],
  'bus-cycles': ['bus-cycles', 100_000],
  'frontend-stalls': ['stalled-cycles-frontend', 1_000_000],
  'backend-stalls': ['stalled-cycles-backend', 1_000_000],
  'ref-cycles': ['ref-cpu-cycles', 1_000_000],
}

/** `software:major-faults:1` */
function counted(name: string, events: Events, [event = '', count, ...more]: readonly string[]): Probe {
  const known = Object.hasOwn(events, event) ? events[event] : undefined
  if (known === undefined) {
    const hint = didYouMean(event, Object.keys(events))
    throw new TraceError(`'${name}' is no counter${hint}; there are ${Object.keys(events).join(', ')}`)
  }
  if (more.length > 0 || (count !== undefined && !/^[1-9]\d*$/.test(count)))
    throw new TraceError(
      `'${name}': after the counter comes how many events make a hit, as in software:faults:100`,
    )
  return { name, hook: 'perf', target: known[0], symbol: count ?? String(known[1]) }
}

/** What a watchpoint looks out for, by bpftrace's letters. */
export const accesses: Readonly<Record<string, PerfBreakpoint['on']>> = {
  r: 'read',
  w: 'write',
  rw: 'read-write',
  wr: 'read-write',
  x: 'execute',
}

/** `watchpoint:0x7ffd1234:8:w`, or with the name of a variable of the kernel. */
function watchpoint(name: string, [place = '', length = '', mode = '', ...more]: readonly string[]): Probe {
  if (more.length > 0 || !/^[1248]$/.test(length) || !Object.hasOwn(accesses, mode)) {
    throw new TraceError(
      `'${name}' is not a watchpoint: write watchpoint:ADDRESS:8:w, with 1, 2, 4 or 8 bytes, and r, w, rw or x for what is watched`,
    )
  }
  const address = /^(0x[0-9a-f]+|\d+)$/i.test(place) ? BigInt(place) : variableOf(place)
  return { name, hook: 'watchpoint', target: String(address), symbol: `${length}:${mode}` }
}

function variableOf(name: string): bigint {
  const address = /^\w+$/.test(name) ? variableAddress(name) : undefined
  if (address !== undefined) return address
  throw new TraceError(
    `the kernel has no variable '${name}', or hides its address, which CAP_SYSLOG shows; for a variable of a process, write its address`,
  )
}

/** `uprobe:/bin/bash:readline`, also with a C++ name, which has colons of its own. */
function userProbe(
  hook: 'uprobe' | 'uretprobe',
  kind: string,
  [file = '', ...rest]: readonly string[],
): Probe {
  const symbol = rest.join(':')
  if (file === '' || symbol === '') throw new TraceError(`write ${kind}:FILE:FUNCTION`)
  return { name: `${kind}:${file}:${symbol}`, hook, target: file, symbol }
}

function tracepoints(category: string, event: string): Probe[] {
  const probe = (category: string, event: string): Probe => ({
    name: `tracepoint:${category}:${event}`,
    hook: 'tracepoint',
    target: `${category}/${event}`,
  })
  if (!hasWildcard(category) && !hasWildcard(event)) {
    const reason = whyNoTracepoint(category, event)
    if (reason !== undefined) throw new TraceError(reason)
    return [probe(category, event)]
  }
  const folder = eventsFolder()
  if (folder === undefined) throw new TraceError(`tracepoints cannot be looked up: ${whyNoTracefs()}`)
  const all = foldersIn(folder)
    .filter(matcherOf(category))
    .flatMap((category) =>
      foldersIn(`${folder}/${category}`)
        .filter(matcherOf(event))
        .map((event) => probe(category, event)),
    )
  if (all.length === 0) throw new TraceError(`no tracepoint matches ${category}:${event}`)
  return all
}

function targets(hook: ProbeHook, kind: string, target: string): Probe[] {
  const probe = (target: string): Probe => ({ name: `${kind}:${target}`, hook, target })
  if (!hasWildcard(target)) return [probe(target)]
  const all = namesOf(hook).filter(matcherOf(target)).map(probe)
  if (all.length === 0) throw new TraceError(`nothing matches ${kind}:${target}`)
  return all
}

function namesOf(hook: ProbeHook): string[] {
  const types = kernelTypes()
  if (hook === 'rawTp' || hook === 'tpBtf') return [...types.tracepointNames()]
  const functions = [...runningKernel().names('func')]
  if (hook === 'lsm')
    return functions.filter((name) => name.startsWith('bpf_lsm_')).map((name) => name.slice(8))
  // Only functions whose types are known have arguments, and only those in the symbol table can be attached to.
  const known = new Set(functions)
  const traceable = probeableFunctions()
  const allowed = traceable !== undefined && traceable.size > 0 ? [...traceable] : kernelFunctions()
  return allowed.filter((name) => known.has(name))
}

const kernelTypes = (): KernelTypes => new KernelTypes(runningKernel())

const hasWildcard = (name: string): boolean => /[*?]/.test(name)

function matcherOf(glob: string): (name: string) => boolean {
  const expression = globToRegExp(glob)
  return (name) => expression.test(name)
}

/** The types of the kernel, or of the module that a probe is in. */
const typesOf = ({ hook, target }: Probe): KernelTypes =>
  new KernelTypes(typesFor([{ hook, target: { name: target } }]))

/** What the function of a probe takes and returns. `undefined` if it has no types. */
function prototypeOf(probe: Probe): BtfFuncProto | undefined {
  const { hook, target } = probe
  const types = typesOf(probe)
  return hook === 'rawTp' || hook === 'tpBtf'
    ? types.tracepoint(target)
    : types.function(hook === 'lsm' ? `bpf_lsm_${target}` : target)
}

/** The names of a probe's arguments, in order. `undefined` if it has none. */
export const argumentNames = (probe: Probe): readonly string[] | undefined =>
  prototypeOf(probe)?.params.map(({ name }) => name)

/**
 * What an iterator passes to its program, without what it always passes: the names of its members, and whether each is a
 * pointer, which is null when everything was passed.
 */
export function iteratorMembers({ target }: Probe): readonly { name: string; isPointer: boolean }[] {
  const types = kernelTypes()
  if (/^(bpf_map_elem|sockmap|bpf_sk_storage_map)$/.test(target))
    throw new TraceError(`iter:${target} goes over the elements of a map, which Program.attachIter() names`)
  const record = types.record(`bpf_iter__${target}`)
  if (record === undefined) {
    const names = [...types.btf.names('struct')].filter((name) => name.startsWith('bpf_iter__'))
    const known = names.map((name) => name.slice(10))
    throw new TraceError(
      `this kernel has no iterator '${target}'${didYouMean(target, known)}; it has ${known.join(', ')}`,
    )
  }
  return types.memberNames(record).flatMap((name) => {
    const isPointer = types.btf.resolve(types.member(record, name)!.typeId).kind === 'ptr'
    return name === 'meta' ? [] : [{ name, isPointer }]
  })
}

/** A result that is smaller than a register: only some of its bits are set. `s32` for int. */
export function resultCast(probe: Probe): string | undefined {
  const prototype = prototypeOf(probe)
  if (prototype === undefined) return undefined
  const type = typesOf(probe).btf.resolve(prototype.returnTypeId)
  if (type.kind === 'void') throw new TraceError(`${probe.name} has no retval: the function returns nothing`)
  if (type.kind !== 'int' && type.kind !== 'enum') return undefined
  return type.size < 8 ? `${type.signed ? 's' : 'u'}${type.size * 8}` : undefined
}

/** Whether a tracepoint is that of one system call, whose arguments have no types. */
export const isSystemCall = ({ hook, target }: Probe): boolean =>
  hook === 'tracepoint' && /^syscalls\/sys_enter_/.test(target)

/** Whether the kernel calls the programs of a tracepoint by its name alone, without writing a record for them. */
export function isRawTracepoint({ hook, target }: Probe): boolean {
  const [category, event = ''] = target.split('/')
  return hook === 'tracepoint' && category !== 'syscalls' && kernelTypes().tracepoint(event) !== undefined
}

/** What a tracepoint records, by its format in tracefs; for a system call, its arguments. */
export const recordedNames = (probe: Probe): readonly string[] =>
  isSystemCall(probe)
    ? systemCallArguments(probe)
    : (fieldsOf(`${eventsFolder()}/${probe.target}`)?.map(({ name }) => name) ?? [])

/** The arguments of a system call by its tracepoint, such as `dfd, filename, flags, mode` of sys_enter_openat. */
export function systemCallArguments({ target }: Probe): readonly string[] {
  const names = fieldsOf(`${eventsFolder()}/${target}`)?.map(({ name }) => name) ?? []
  return names.slice(names.indexOf('__syscall_nr') + 1)
}
