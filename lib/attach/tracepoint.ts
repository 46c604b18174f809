import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { noSuchTracepoint } from '../errors/hints.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { attachTo, u64 } from './attachable.js'

export interface CookieOption {
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. */
  cookie?: bigint | number
}

/** Cookies require Linux 5.15. */
export function attachTracepoint(
  program: Attachable,
  category: string,
  name: string,
  { cookie }: CookieOption,
): Link {
  const bits = u64('cookie', cookie)
  const target = `${category}/${name}`
  const hook = { what: `tracepoint '${target}'`, target, reason: whyNoTracepointLink }
  return attachTo(program, hook, () => native.programAttachTracepoint(program.handle, category, name, bits))
}

/** The generic hints explain a missing tracepoint, from libbpf's warning. */
export function whyNoTracepointLink({ errno }: NativeError): string | undefined {
  return errno === constants.errno.EEXIST ? 'this program is attached there already' : undefined
}

/** Cookies require Linux 6.10. */
export function attachRawTracepoint(program: Attachable, name: string, { cookie }: CookieOption): Link {
  const bits = u64('cookie', cookie)
  const since = bits === 0n ? undefined : '6.10'
  const reason = (error: NativeError) =>
    (error.errno === constants.errno.EINVAL ? tooOldFor(since) : undefined) ?? whyNoRawTracepoint(error, name)
  return attachTo(program, { what: `raw tracepoint '${name}'`, target: name, reason }, () =>
    native.programAttachRawTracepoint(program.handle, name, bits),
  )
}

export function whyNoRawTracepoint({ errno }: NativeError, name: string): string | undefined {
  const { ENOENT, EEXIST, EINVAL } = constants.errno
  if (errno === ENOENT) return noSuchTracepoint(name)
  if (errno === EEXIST) {
    return 'this program is attached there already; since Linux 6.10 a program can be attached more than once'
  }
  return errno === EINVAL
    ? 'the program uses more arguments than the tracepoint passes, or writes to one that is read-only'
    : undefined
}
