import { constants } from 'node:os'
import { ENOTSUPP, errnoName } from '../errors/errno.js'
import { type Capability, explainRefusal, isRefusedForGood } from '../machine/capabilities.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'

/** Whether this kernel can do something. */
export interface Answer {
  /** 'unknown' if it could not be found out, for example without privileges. */
  readonly answer: 'yes' | 'no' | 'unknown'
  /** Why the answer is not 'yes', in words. */
  readonly reason?: string
  /** The version of Linux that introduced it. */
  readonly since?: string
}

const { EINVAL, E2BIG, EPERM, EACCES, EOPNOTSUPP } = constants.errno

const refusals = new Set([0, EINVAL, E2BIG, EACCES, ENOTSUPP])

export function yes(since: string | undefined): Answer {
  return withSince({ answer: 'yes' }, since)
}

export function no(reason: string, since?: string): Answer {
  return withSince({ answer: 'no', reason }, since)
}

export function unknown(reason: string, since?: string): Answer {
  return withSince({ answer: 'unknown', reason }, since)
}

function withSince(answer: Answer, since: string | undefined): Answer {
  return Object.freeze(since === undefined ? answer : { ...answer, since })
}

/**
 * Turns a probe's result into an answer.
 *
 * @param result - 1 for yes, or a negative errno: the kernel's, or EOPNOTSUPP if libbpf does not know how to ask
 */
export function judge(result: number, needed: readonly Capability[], since: string | undefined): Answer {
  if (result === 1) return yes(since)
  const errno = -result
  if (errno === EPERM) {
    const reason = explainRefusal(needed)
    return isRefusedForGood(needed) ? no(reason, since) : unknown(reason, since)
  }
  if (refusals.has(errno)) {
    const reason =
      tooOldFor(since) ??
      (since === undefined ? 'this kernel does not have it' : 'this kernel is built without it')
    return no(reason, since)
  }
  if (errno === EOPNOTSUPP) return unknown('libbpf has no test for it', since)
  return unknown(`the probe failed: ${native.strerror(errno)} (${errnoName(errno)})`, since)
}
