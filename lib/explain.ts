import { existsSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import type { NativeError } from '../types/binding.js'
import { native } from './binding.js'
import { didYouMean } from './btf/nearest.js'
import { BtfTypes } from './btf/parse.js'
import { type Capability, explainRefusal } from './capabilities.js'
import { BpfError, type BpfErrorDetails, VerifierError } from './errors.js'
import { findVerdicts, readVerdict, type Verdict } from './verifier-log.js'

/** What a native call is about, for its error. */
export interface Subject {
  /** What is being done, as the beginning of a sentence: "load object 'exec'". */
  what: string
  object?: string | undefined
  program?: string | undefined
  map?: string | undefined
  target?: string | undefined
  /** Why it failed, in words, where who asks knows better than what holds for all; `undefined` where not. */
  reason?: ((error: NativeError) => string | undefined) | undefined
  /** What the call takes. */
  capabilities?: (() => Capability[]) | undefined
  /** The kernel's log where libbpf was given a buffer for it, and so did not print it. */
  kernelLog?: (() => string) | undefined
}

const closed: Record<string, string> = {
  ERR_BPF_CLOSED: 'it is closed',
  ERR_BPF_BUSY: 'its object is loading on another thread; wait for load() to end',
}

/** Turns what native code threw into a BpfError about the subject; misuse (TypeError, RangeError) and foreign errors stay as they are. */
export function explain(error: unknown, subject: Subject): unknown {
  if (!(error instanceof Error) || error instanceof BpfError) return error
  const { code } = error as { code?: string }
  if (isNative(error)) return explainNative(error, subject)
  if (code?.startsWith('ERR_BPF_')) {
    return new BpfError(`${subject.what}: ${closed[code] ?? error.message}`, { ...subject, code })
  }
  return error
}

function isNative(error: Error): error is NativeError {
  return 'errno' in error && 'operation' in error && 'log' in error
}

const errnoNames = new Map<number, string>(
  Object.entries(constants.errno).map(([name, errno]) => [errno, name]),
)
errnoNames.set(524, 'ENOTSUPP') // the kernel's own; libc does not know it
const libbpfErrors =
  'LIBELF FORMAT KVERSION ENDIAN INTERNAL RELOC LOAD VERIFY PROG2BIG KVER PROGTYPE WRNGPID INVSEQ NLPARSE'
for (const [i, name] of libbpfErrors.split(' ').entries()) errnoNames.set(4000 + i, `LIBBPF_ERRNO__${name}`)

export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`
}

function explainNative(error: NativeError, subject: Subject): BpfError {
  const { errno, operation, log } = error
  const details: BpfErrorDetails = { ...subject, code: errnoName(errno), errno, operation, log }
  const verdict = findVerdict(log, subject)
  if (verdict !== undefined) {
    details.program = verdict.program
    const { source } = verdict
    const reason = coreFailure(verdict.text) ?? verdict.reason
    const where = source === undefined ? '' : `, at ${place(source.file, source.line)}'${source.text}'`
    const message = `${subject.what}: the verifier rejected program '${verdict.program}': ${reason}${where}`
    return new VerifierError(message, details, { ...verdict, reason })
  }
  return new BpfError(`${subject.what}: ${reasonOf(error, subject)} (${details.code})`, details)
}

function place(file: string, line: number): string {
  return file === '' ? '' : `${file}:${line}: `
}

function findVerdict(log: string, subject: Subject): Verdict | undefined {
  const printed = findVerdicts(log).at(-1)
  if (printed !== undefined) return printed.reason === '' ? undefined : printed
  const text = subject.kernelLog?.() ?? ''
  const program = /prog '([^']*)': BPF program load failed/.exec(log)?.[1]
  return text === '' || program === undefined ? undefined : readVerdict(program, text)
}

/** What a CO-RE relocation did not find. */
function coreFailure(log: string): string | undefined {
  const [, kind, wanted] =
    /failed to resolve CO-RE relocation <(\w+)> \[\d+\] ([^\n]*?)(?: \([^\n]*\))?\n/.exec(log) ?? []
  return kind === undefined
    ? undefined
    : `the CO-RE relocation of ${wanted} (${kind}) failed: this kernel does not have it`
}

function reasonOf(error: NativeError, subject: Subject): string {
  const { errno, log, operation } = error
  const known = subject.reason?.(error)
  if (known !== undefined) return known
  for (const { when, say } of hints) {
    const match = when.exec(log)
    const sentence = match === null ? undefined : say(match)
    if (sentence !== undefined) return sentence
  }
  // libbpf prints nothing there.
  if (errno === constants.errno.ESRCH && operation === 'bpf_program__set_attach_target') {
    return noSuchHook(subject.target ?? '')
  }
  if (errno === constants.errno.EPERM && subject.capabilities !== undefined) {
    return explainRefusal(subject.capabilities())
  }
  return rootCause(log) ?? native.strerror(errno)
}

/** The first warning that is not about an attempt which libbpf itself repairs, or about what follows from another. */
function rootCause(log: string): string | undefined {
  const follows =
    /Retrying without BTF|failed to load object|failed to load BPF skeleton|Error loading \.BTF|PROG LOAD LOG|BTF is optional|BPF program load failed/
  const lines = log.split('\n').filter((line) => line.startsWith('libbpf: '))
  const cause = lines.find((line) => !follows.test(line)) ?? lines.at(0)
  return cause?.replace(/^libbpf: /, '').replace(/\.$/, '')
}

interface Hint {
  /** Looked for in libbpf's warnings. */
  when: RegExp
  /** The reason in words; `undefined` where it is not that after all. */
  say: (match: RegExpExecArray) => string | undefined
}

const hints: readonly Hint[] = [
  {
    when: /failed to determine tracepoint '([^/']+)\/([^']+)' perf event ID/,
    say: ([, category = '', name = '']) => {
      const events = tracefsEvents()
      if (events === undefined) {
        return "the tracepoint cannot be looked up, tracefs is not mounted; 'mount -t tracefs tracefs /sys/kernel/tracing' does it"
      }
      if (existsSync(`${events}/${category}/${name}`)) return undefined
      return `no such tracepoint '${category}/${name}'${didYouMean(name, namesIn(`${events}/${category}`))}`
    },
  },
  {
    when: /failed to find kernel BTF type ID of '([^']+)'/,
    say: ([, name = '']) => noSuchHook(name),
  },
  {
    when: /specified path (\S+) is not on BPF FS/,
    say: ([, path]) => `${path} is not on a BPF file system; 'mount -t bpf bpf /sys/fs/bpf' makes one`,
  },
  {
    when: /failed to find valid kernel BTF|kernel BTF is missing/,
    say: () =>
      'this kernel carries no BTF (/sys/kernel/btf/vmlinux is missing); give it as the option btfCustomPath',
  },
  {
    when: /map '([^']+)': failed to create: -(E2BIG|ENOMEM)/,
    say: ([, map, code]) =>
      `map '${map}' cannot be created: ${code === 'E2BIG' ? 'it is larger than the kernel allows' : 'not enough memory'}, lower its maxEntries or sizes`,
  },
]

function tracefsEvents(): string | undefined {
  return ['/sys/kernel/tracing/events', '/sys/kernel/debug/tracing/events'].find((path) => existsSync(path))
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function noSuchHook(name: string): string {
  return `no such kernel function or hook '${name}'${didYouMean(name, kernelHooks())}`
}

export function noSuchTracepoint(name: string): string {
  const prefix = 'btf_trace_'
  const names = [...kernelTypes().names('typedef')].filter((type) => type.startsWith(prefix))
  return `no such raw tracepoint${didYouMean(
    name,
    names.map((type) => type.slice(prefix.length)),
  )}`
}

function kernelTypes(): BtfTypes {
  const btf = native.btfLoadKernel()
  try {
    return new BtfTypes(native.btfBytes(btf))
  } finally {
    native.btfClose(btf)
  }
}

/** What fentry, tp_btf and lsm programs can attach to. */
function* kernelHooks(): Generator<string> {
  const types = kernelTypes()
  for (const name of types.names('func')) yield name.replace(/^bpf_lsm_/, '')
  for (const name of types.names('typedef'))
    if (name.startsWith('btf_trace_')) yield name.slice('btf_trace_'.length)
}
