import { constants } from 'node:os'
import type { LinkHandle, NativeError, ProgramHandle } from '../../types/binding.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import { ENOTSUPP } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import type { Attachable, Attached, Dispatcher } from '../links/attachment.js'
import { Link } from '../links/link.js'
import { tooOldFor } from '../machine/kernel-version.js'

/** Says why attaching failed; `undefined` leaves it to the generic hints. */
export type Reason = (error: NativeError) => string | undefined

/** What a program is being attached to. */
export interface Hook {
  /** In words: "kprobe 'do_unlinkat'". */
  what: string
  /** For the error and the link. */
  target: string
  /** The first Linux version that has this hook. */
  since?: string | undefined
  reason?: Reason | undefined
}

/** How kernels answer a request that they do not know. */
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
    reason: reasonOf(hook),
  }
}

export function reasonOf({ reason, since }: Pick<Hook, 'reason' | 'since'>): Reason {
  return (error) => {
    let why: string | undefined
    try {
      why = reason?.(error)
    } catch {
      // Reasons look into /proc and /sys. If that fails, for example without free descriptors, the error itself
      // remains.
    }
    return why ?? (unknown.has(error.errno) ? tooOldFor(since) : undefined)
  }
}

/** Makes the link of one native call. */
export function attachTo(program: Attachable, hook: Hook, call: () => LinkHandle): Link {
  // This call always returns a handle, so there is a link.
  return tryAttachTo(program, subjectOf(program, hook), hook.target, call)!
}

/** Like {@link attachTo}, on libuv's pool. */
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

/** Makes the link of one native call; `undefined` if the call returns no handle. */
export function tryAttachTo(
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

/** For a replaceable program, attaches its dispatcher instead. */
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
    attach: (successor: ProgramHandle) => {
      program.handle = successor
      return attach()
    },
  }
  return program.own((onClose) => new Link(handle, { ...program.subject, target }, onClose, reattach))
}

function closedMeanwhile(subject: Subject): BpfError {
  return new BpfError(`${subject.what}: its object was closed in the meantime`, {
    ...subject,
    code: 'ERR_BPF_CLOSED',
  })
}

/** Converts an unsigned 64-bit number for the native side. */
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

/** Checks an argument of callers who write JavaScript. */
export function expectString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${name} is not a string`)
}

/** Checks an array that has one element per function. */
export function expectLength(name: string, array: ArrayLike<unknown> | undefined, length: number): void {
  if (array !== undefined && array.length !== length) {
    throw new RangeError(`${name} has ${array.length} elements for ${length} functions`)
  }
}
