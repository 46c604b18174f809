import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTo, type Hook, u64 } from './attachable.js'
import { findBinary, pidNumber } from './binary.js'
import { whyNoUprobe } from './uprobe.js'

export interface UsdtOptions {
  /** Only in this process; without it in all, those that start later too. */
  pid?: number
  /** What `bpf_usdt_cookie()` returns in the program; 0 by default. */
  cookie?: bigint | number
}

export function attachUsdt(
  program: Attachable,
  binary: string,
  provider: string,
  name: string,
  { pid, cookie }: UsdtOptions,
): Link {
  const path = findBinary(binary, pid)
  const bits = u64('cookie', cookie)
  const hook: Hook = {
    what: `USDT probe '${provider}:${name}' of ${path}`,
    target: `${path}:${provider}:${name}`,
    reason: (error) => {
      if (/usdt\.bpf\.h/.test(error.log)) {
        return 'its object has no maps for USDT: it has to include bpf/usdt.bpf.h, and the program to be SEC("usdt")'
      }
      if (error.errno === constants.errno.EINVAL) return 'the program has to be SEC("usdt")'
      const why = whyNoUprobe(error, path, undefined)
      if (why !== undefined || error.errno !== constants.errno.ENOENT) return why
      return `it has no such probe; 'readelf -n ${path}' lists those that it has`
    },
  }
  return attachTo(program, hook, () =>
    native.programAttachUsdt(program.handle, pidNumber(pid), path, provider, name, bits),
  )
}
