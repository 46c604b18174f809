import { constants } from 'node:os'
import type { LinkHandle, NativeError, ProgramHandle } from '../../types/binding.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import { BpfError, ENOTSUPP } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import type { Attachable, Attached, Dispatcher } from '../links/attachment.js'
import { Link } from '../links/link.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'

/** What a program is being attached to. */
export interface Hook {
  /** In words: "kprobe 'do_unlinkat'". */
  what: string
  /** For the error and the link. */
  target: string
  /** The Linux version that this came with. */
  since?: string
  /** Why it failed, in words; `undefined` leaves it to what holds for all. */
  reason?: (error: NativeError) => string | undefined
}

/** What kernels say of what they don't know. */
const unknown = new Set<number>([
  constants.errno.EINVAL,
  constants.errno.EOPNOTSUPP,
  constants.errno.E2BIG,
  constants.errno.ENOPROTOOPT,
  ENOTSUPP,
])

export function subjectOf(program: Attachable, hook: Hook): Subject {
  return {
    ...program.subject,
    what: `attach program '${program.name}' to ${hook.what}`,
    target: hook.target,
    reason: (error) => hook.reason?.(error) ?? (unknown.has(error.errno) ? tooOldFor(hook.since) : undefined),
  }
}

/** Makes the link of one native call. */
export function attachTo(program: Attachable, hook: Hook, call: () => LinkHandle): Link {
  // A call that always gives a handle.
  return tryAttachTo(program, subjectOf(program, hook), hook.target, call)!
}

/** The same on libuv's pool. */
export async function attachToAsync(
  program: Attachable,
  hook: Hook,
  call: () => Promise<LinkHandle | undefined>,
): Promise<Link> {
  const subject = subjectOf(program, hook)
  const dispatcher = dispatch(program, subject)
  try {
    const handle = await attemptAsync(subject, call)
    if (handle === undefined) throw closedMeanwhile(subject)
    return own(program, hook.target, handle, { dispatcher, attach: call })
  } catch (error) {
    dispatcher?.close()
    throw error
  }
}

/** The link of what SEC() says; `undefined` where it doesn't say to what. */
export function tryAttach(program: Attachable, section: string): Link | undefined {
  const what = `program '${program.name}': attach to SEC("${section}")`
  const subject = { ...program.subject, what, target: section }
  return tryAttachTo(program, subject, section, () => native.programAttach(program.handle))
}

function tryAttachTo(
  program: Attachable,
  subject: Subject,
  target: string,
  attach: () => Attached,
): Link | undefined {
  const dispatcher = dispatch(program, subject)
  let link: Link | undefined
  try {
    const handle = attempt(subject, attach)
    if (handle !== undefined) link = own(program, target, handle, { dispatcher, attach })
  } finally {
    if (link === undefined) dispatcher?.close()
  }
  return link
}

/** Puts the dispatcher of a replaceable program in its place. */
function dispatch(program: Attachable, subject: Subject): Dispatcher | undefined {
  if (program.dispatch === undefined) return undefined
  const dispatcher = program.dispatch()
  try {
    attempt(subject, () => dispatcher.pointTo(program.fd))
  } catch (error) {
    dispatcher.close()
    throw error
  }
  program.handle = dispatcher.handle
  return dispatcher
}

function own(
  program: Attachable,
  target: string,
  handle: LinkHandle,
  { dispatcher, attach }: { dispatcher: Dispatcher | undefined; attach: () => Attached | Promise<Attached> },
): Link {
  const reattach = {
    dispatcher,
    attach: (by: ProgramHandle) => {
      program.handle = by
      return attach()
    },
  }
  return program.own((onClose) => new Link(handle, { ...program.subject, target }, onClose, reattach))
}

function closedMeanwhile(subject: Subject): BpfError {
  return new BpfError(`${subject.what}: its object was closed meanwhile`, {
    ...subject,
    code: 'ERR_BPF_CLOSED',
  })
}

/** A number of 64 bits, as the native side wants it. */
export function u64(name: string, value: bigint | number = 0n): bigint {
  if (typeof value !== 'bigint' && !Number.isInteger(value)) throw new TypeError(`${name} is not an integer`)
  const number = BigInt(value)
  if (number < 0n || number >> 64n !== 0n) throw new RangeError(`${name} does not fit 64 bits: ${value}`)
  return number
}

export function u64s(
  name: string,
  values: Iterable<bigint | number> | undefined,
): BigUint64Array | undefined {
  return values === undefined ? undefined : BigUint64Array.from([...values].map((value) => u64(name, value)))
}

/** Checks what the type checker would not let through. */
export function expectString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${name} is not a string`)
}

/** Checks an array that goes with another, element by element. */
export function expectLength(name: string, array: ArrayLike<unknown> | undefined, length: number): void {
  if (array !== undefined && array.length !== length) {
    throw new RangeError(`${name} are ${array.length}, but there are ${length} functions`)
  }
}
