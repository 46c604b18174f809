import { constants } from 'node:os'
import { types } from 'node:util'
import type { NativeError } from '../../types/binding.js'
import { type Capability, explainRefusal } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import { errnoName } from './errno.js'
import { BpfError, type BpfErrorDetails, VerifierError } from './errors.js'
import { hints } from './hints.js'
import { type Rejection, rejectionIn } from './rejection.js'
import { rejectedProgram, verifierLogOf } from './verifier-log.js'

/** What a native call is about. Its error is described with this. */
export interface Subject {
  /** What is being done, as the beginning of a sentence: "load object 'exec'". */
  what: string
  object?: string | undefined
  program?: string | undefined
  map?: string | undefined
  target?: string | undefined
  /** The user's names for the native function's arguments, from the first one on. */
  arguments?: readonly string[] | undefined
  /** The reason in words, where the caller knows more than the general hints; `undefined` where it does not. */
  reason?: ((error: NativeError) => string | undefined) | undefined
  /** The capabilities that the call requires. */
  capabilities?: (() => Capability[]) | undefined
  /**
   * Reads the log of a program from the caller's own buffer. libbpf does not print a log that it was given a buffer for.
   */
  kernelLog?: ((program: string) => string) | undefined
}

const closed: Record<string, string> = {
  ERR_BPF_CLOSED: 'it is closed',
  ERR_BPF_BUSY: 'its object is loading on another thread; wait for load() to end',
}

/**
 * Turns an error of native code into a BpfError about the subject, or names the argument that was wrong. Other errors
 * stay as they are.
 */
export function explain(error: unknown, subject: Subject): unknown {
  // In a sandbox (Jest, vm contexts) native errors come from another realm: `instanceof Error` is false there.
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

/** Native code knows its arguments only by number. */
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

function explainNative(error: NativeError, subject: Subject): BpfError {
  const { errno, operation, log, longLog } = error
  const rejected = rejectedProgram(log)
  const whole = longLog === undefined ? () => log : () => native.longLogText(longLog)
  const details: BpfErrorDetails = {
    ...subject,
    code: errnoName(errno),
    errno,
    operation,
    log: longLog === undefined ? log : whole,
    program: subject.program ?? rejected ?? /prog '([^'\n]+)': failed to pin at/.exec(log)?.[1],
    map: subject.map ?? (rejected === undefined ? failedMap(log) : undefined),
  }
  const rejection = rejected === undefined ? undefined : findRejection(rejected, error, subject, whole)
  if (rejection !== undefined) {
    return new VerifierError(`${subject.what}: ${rejection.says}`, details, rejection)
  }
  const reason = reasonOf(error, subject)
  return new BpfError(
    `${subject.what}: ${nameIn(reason, details, subject)}${reason} (${details.code})`,
    details,
  )
}

function findRejection(
  program: string,
  { errno, log }: NativeError,
  subject: Subject,
  whole: () => string,
): (Rejection & { text: string | (() => string) }) | undefined {
  // A log that did not fit into its buffer can end anywhere.
  if (errno === constants.errno.ENOSPC) return undefined
  const printed = verifierLogOf(program, log)
  const text = printed ?? subject.kernelLog?.(program) ?? ''
  const rejection = rejectionIn(text, program)
  if (rejection === undefined) return undefined
  return { ...rejection, text: printed === undefined ? text : () => verifierLogOf(program, whole()) ?? '' }
}

/** The map that libbpf could not create, fill or pin. */
function failedMap(log: string): string | undefined {
  return /map '([^'\n]+)': /.exec(log)?.[1]
}

/** Names the program or the map of an object that the reason is about, unless the reason or the subject does. */
function nameIn(reason: string, { program, map }: BpfErrorDetails, subject: Subject): string {
  const isKnown = (name: string) => reason.includes(`'${name}'`) || subject.what.includes(`'${name}'`)
  if (program !== undefined && !isKnown(program)) return `program '${program}': `
  return map !== undefined && !isKnown(map) ? `map '${map}': ` : ''
}

function reasonOf(error: NativeError, subject: Subject): string {
  const { errno, log, operation } = error
  const known = subject.reason?.(error)
  if (known !== undefined) return known
  const said = rootCause(log)
  const code = errnoName(errno)
  for (const hint of hints) {
    // What libbpf said comes before what the errno may mean.
    if (hint.log === undefined && said !== undefined) continue
    const isIt = hint.code?.test(code) !== false && hint.operation?.test(operation) !== false
    const match = (hint.log ?? /^/).exec(log)
    if (!isIt || match === null) continue
    const sentence = hint.say(match, subject.target ?? '', code)
    if (sentence !== undefined) return sentence
  }
  if (errno === constants.errno.EPERM && subject.capabilities !== undefined) {
    const changesElement = /^bpf_map_.*_(elem|batch)$/.test(operation)
    return explainRefusal(
      subject.capabilities(),
      changesElement ? 'the map is frozen or read-only' : undefined,
    )
  }
  return said ?? native.strerror(errno)
}

/**
 * libbpf's first warning that gives a reason: not one about an attempt that libbpf repairs itself, nor one that only
 * repeats the errno.
 */
function rootCause(log: string): string | undefined {
  const follows =
    /Retrying without BTF|failed to load object|failed to load BPF skeleton|Error loading \.BTF|PROG LOAD LOG|BTF is optional|BPF program load failed|permission error while running as root/
  const lines = log.split('\n').filter((line) => line.startsWith('libbpf: '))
  const cause = lines.find((line) => !follows.test(line)) ?? lines.at(0)
  return cause?.replace(/^libbpf: /, '').replace(/\.$/, '')
}
