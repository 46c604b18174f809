import { constants } from 'node:os'
import { types } from 'node:util'
import type { NativeError } from '../../types/binding.js'
import { type Capability, explainRefusal, missingCapabilities } from '../machine/capabilities.js'
import { lockdownOfHelper } from '../machine/lockdown.js'
import { native } from '../native/binding.js'
import { BpfError, type BpfErrorDetails, ENOTSUPP, VerifierError } from './errors.js'
import { hints } from './hints.js'
import { findVerdicts, readVerdict, type Verdict } from './verifier-log.js'

/** What a native call is about, for its error. */
export interface Subject {
  /** What is being done, as the beginning of a sentence: "load object 'exec'". */
  what: string
  object?: string | undefined
  program?: string | undefined
  map?: string | undefined
  target?: string | undefined
  /** What the native function's arguments are called by the user; the first is number 0. */
  arguments?: readonly string[] | undefined
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

/** Turns what native code threw into a BpfError about the subject, and says of misuse what it was; foreign errors stay as they are. */
export function explain(error: unknown, subject: Subject): unknown {
  // In a sandbox (Jest, vm contexts) native errors are made outside: they are no instances of its Error.
  if (!types.isNativeError(error) || error instanceof BpfError) return error
  const { code } = error as { code?: string }
  if (isNative(error)) return explainNative(error, subject)
  if (code?.startsWith('ERR_BPF_')) {
    return new BpfError(`${subject.what}: ${closed[code] ?? error.message}`, { ...subject, code })
  }
  return code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_OUT_OF_RANGE'
    ? explainMisuse(error, code, subject)
    : error
}

/** Native code knows its arguments by number. */
function explainMisuse(error: Error, code: string, subject: Subject): Error {
  const [, number, is] = /^native argument (\d+) (.*)$/.exec(error.message) ?? []
  if (number === undefined) return error
  const Misuse = error.name === 'RangeError' ? RangeError : TypeError
  const name = subject.arguments?.[Number(number)] ?? 'the value'
  return Object.assign(new Misuse(`${subject.what}: ${name} ${is}`), { code })
}

function isNative(error: Error): error is NativeError {
  return 'errno' in error && 'operation' in error && 'log' in error
}

// Of the numbers with two names Node, too, takes the first: EAGAIN, ENOTSUP.
const errnoNames = new Map<number, string>(
  Object.entries(constants.errno)
    .map(([name, errno]): [number, string] => [errno, name])
    .reverse(),
)
errnoNames.set(ENOTSUPP, 'ENOTSUPP')
// Linux has more than Node knows; these come out of bpf().
errnoNames
  .set(77, 'EBADFD')
  .set(87, 'EUSERS')
  .set(108, 'ESHUTDOWN')
  .set(126, 'ENOKEY')
  .set(129, 'EKEYREJECTED')
const libbpfErrors =
  'LIBELF FORMAT KVERSION ENDIAN INTERNAL RELOC LOAD VERIFY PROG2BIG KVER PROGTYPE WRNGPID INVSEQ NLPARSE'
for (const [i, name] of libbpfErrors.split(' ').entries()) errnoNames.set(4000 + i, `LIBBPF_ERRNO__${name}`)

export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`
}

function explainNative(error: NativeError, subject: Subject): BpfError {
  const { errno, operation, log } = error
  const details: BpfErrorDetails = { ...subject, code: errnoName(errno), errno, operation, log }
  // A log that did not fit ends anywhere.
  const verdict = errno === constants.errno.ENOSPC ? undefined : findVerdict(log, subject)
  if (verdict !== undefined) {
    details.program = verdict.program
    const { source } = verdict
    const missing = coreFailure(verdict.text)
    const reason = missing ?? verdict.reason
    const says =
      missing === undefined
        ? `the verifier rejected program '${verdict.program}': ${reason}${lockdownIn(reason)}${capabilityIn(reason)}`
        : `program '${verdict.program}' ${missing}`
    const where = source === undefined ? '' : `, at ${place(source.file, source.line)}'${source.text}'`
    const message = `${subject.what}: ${says}${where}`
    return new VerifierError(message, details, { ...verdict, reason })
  }
  return new BpfError(`${subject.what}: ${reasonOf(error, subject)} (${details.code})`, details)
}

/** Where a helper is missing that others have. */
function lockdownIn(reason: string): string {
  const [, helper = ''] = /(?:unknown func|cannot use helper) bpf_(\w+)#/.exec(reason) ?? []
  const mode = lockdownOfHelper(helper)
  return mode === undefined ? '' : ` (the kernel is locked down: ${mode})`
}

/** What the verifier forbids to programs without CAP_PERFMON only. */
function capabilityIn(reason: string): string {
  const forPrivileged = /pointer comparison prohibited|prohibited for !root|leaks addr/.test(reason)
  return forPrivileged && missingCapabilities(['CAP_PERFMON']).length > 0
    ? ' (the process lacks CAP_PERFMON, with which the verifier allows that)'
    : ''
}

function place(file: string, line: number): string {
  return file === '' ? '' : `${file}:${line}: `
}

function findVerdict(log: string, subject: Subject): Verdict | undefined {
  const verdict = findVerdicts(log).at(-1) ?? inKernelLog(log, subject)
  return verdict?.reason === '' ? undefined : verdict
}

function inKernelLog(log: string, subject: Subject): Verdict | undefined {
  const text = subject.kernelLog?.() ?? ''
  const program = /prog '([^']*)': BPF program load failed/.exec(log)?.[1]
  return text === '' || program === undefined ? undefined : readVerdict(program, text)
}

/** What a CO-RE relocation did not find: "struct task_struct.no_such_field". */
function coreFailure(log: string): string | undefined {
  const [, kind, wanted] =
    /failed to resolve CO-RE relocation <(\w+)> \[\d+\] ([^\n]*?)(?: \([^\n]*\))?\n/.exec(log) ?? []
  // What follows three underscores is there to tell declarations apart.
  return wanted && `needs ${wanted.replace(/___\w+/, '')} (CO-RE ${kind}), which this kernel does not have`
}

function reasonOf(error: NativeError, subject: Subject): string {
  const { errno, log, operation } = error
  const known = subject.reason?.(error)
  if (known !== undefined) return known
  for (const hint of hints) {
    const code = hint.code?.exec(errnoName(errno))
    const match = hint.log?.exec(log)
    if (code === null || match === null || hint.operation?.test(operation) === false) continue
    const sentence = hint.say((match ?? code)!, subject.target ?? '')
    if (sentence !== undefined) return sentence
  }
  if (errno === constants.errno.EPERM && subject.capabilities !== undefined) {
    const readOnly = operation.startsWith('bpf_map_') && operation.endsWith('_elem')
    return explainRefusal(subject.capabilities(), readOnly ? 'the map is frozen or read-only' : undefined)
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
