import { constants } from 'node:os'
import { noSuchTracepoint } from '../errors/hints.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTo, u64 } from './attachable.js'

export interface CookieOption {
  /** What `bpf_get_attach_cookie()` returns in the program; 0 by default. */
  cookie?: bigint | number
}

/** Cookies: Linux 5.15. */
export function attachTracepoint(
  program: Attachable,
  category: string,
  name: string,
  { cookie }: CookieOption,
): Link {
  const bits = u64('cookie', cookie)
  const target = `${category}/${name}`
  // The reason for its absence is read from libbpf's warning, as for SEC("tp/...").
  const reason = ({ errno }: { errno: number }): string | undefined =>
    errno === constants.errno.EEXIST ? 'this program is attached there already' : undefined
  return attachTo(program, { what: `tracepoint '${target}'`, target, reason }, () =>
    native.programAttachTracepoint(program.handle, category, name, bits),
  )
}

/** Cookies: Linux 6.10. */
export function attachRawTracepoint(program: Attachable, name: string, { cookie }: CookieOption): Link {
  const bits = u64('cookie', cookie)
  const reason = ({ errno }: { errno: number }): string | undefined =>
    errno === constants.errno.ENOENT
      ? noSuchTracepoint(name)
      : errno === constants.errno.EEXIST
        ? 'this program is attached there already; since Linux 6.10 it can be more than once'
        : undefined
  return attachTo(program, { what: `raw tracepoint '${name}'`, target: name, reason }, () =>
    native.programAttachRawTracepoint(program.handle, name, bits),
  )
}
