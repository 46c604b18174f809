// The names of probes, which are bpftrace's: kprobe:vfs_read, tracepoint:sched:sched_switch, raw_syscalls:*.
import { readdirSync, readFileSync } from 'node:fs'
import { KernelTypes } from '../compiler/kernel-types.js'
import { runningKernel } from '../compiler/running-kernel.js'
import { didYouMean } from '../errors/nearest.js'
import { kernelFunctions } from '../machine/kallsyms.js'
import { eventsFolder, whyNoTracefs, whyNoTracepoint } from '../machine/tracefs.js'
import { TraceError } from './error.js'

/** Something that a program is attached to. */
export interface Probe {
  /** Its whole name, as in `tracepoint:sched:sched_switch`. */
  readonly name: string
  /** The word of the kernel side that makes a program of it. */
  readonly hook: 'tracepoint' | 'rawTp' | 'tpBtf' | 'kprobe' | 'kretprobe' | 'fentry' | 'fexit' | 'lsm'
  /** What the word wants to be told. */
  readonly target: string
}

/** The kinds of probes by their names in bpftrace, the short ones too. */
const kinds: Readonly<Record<string, Probe['hook']>> = {
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
}

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
  if (hook === 'tracepoint' && rest.length === 2) return tracepoints(rest[0]!, rest[1]!)
  // Without a kind, two names are those of a tracepoint.
  if (hook === undefined && rest.length === 1) return tracepoints(first, rest[0]!)
  if (hook !== undefined && hook !== 'tracepoint' && rest.length === 1) return targets(hook, first, rest[0]!)
  const hint = hook === undefined ? didYouMean(first, Object.keys(kinds)) : ''
  throw new TraceError(
    `'${name}' is not a probe${hint}; probes are named like tracepoint:sched:sched_switch, rawtracepoint:sched_switch, kprobe:vfs_read or fentry:vfs_read`,
  )
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

const foldersIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

function targets(hook: Probe['hook'], kind: string, target: string): Probe[] {
  const probe = (target: string): Probe => ({ name: `${kind}:${target}`, hook, target })
  if (!hasWildcard(target)) return [probe(target)]
  const all = namesOf(hook).filter(matcherOf(target)).map(probe)
  if (all.length === 0) throw new TraceError(`nothing matches ${kind}:${target}`)
  return all
}

function namesOf(hook: Probe['hook']): string[] {
  const types = new KernelTypes(runningKernel())
  if (hook === 'rawTp' || hook === 'tpBtf') return [...types.tracepointNames()]
  const functions = [...runningKernel().names('func')]
  if (hook === 'lsm')
    return functions.filter((name) => name.startsWith('bpf_lsm_')).map((name) => name.slice(8))
  // Only functions whose types are known have arguments, and only those in the symbol table can be attached to.
  const known = new Set(functions)
  return kernelFunctions().filter((name) => known.has(name))
}

const hasWildcard = (name: string): boolean => /[*?]/.test(name)

function matcherOf(glob: string): (name: string) => boolean {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  const expression = new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`)
  return (name) => expression.test(name)
}

/** The names of a probe's arguments, in order. `undefined` if it has none. */
export function argumentNames({ hook, target }: Probe): readonly string[] | undefined {
  const types = new KernelTypes(runningKernel())
  const prototype =
    hook === 'rawTp' || hook === 'tpBtf'
      ? types.tracepoint(target)
      : types.function(hook === 'lsm' ? `bpf_lsm_${target}` : target)
  return prototype?.params.map(({ name }) => name)
}

/** The arguments of a system call by its tracepoint, such as `dfd, filename, flags, mode` of sys_enter_openat. */
export function systemCallArguments(target: string): readonly string[] {
  const format = readFileSync(`${eventsFolder()}/${target}/format`, 'utf8')
  const names = [...format.matchAll(/^\tfield:(?:.*[ *])(\w+)(?:\[\d*\])?;/gm)].map(([, name]) => name!)
  return names.slice(names.indexOf('__syscall_nr') + 1)
}
