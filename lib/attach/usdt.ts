import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTo, type Hook, u64 } from './attachable.js'
import { findBinary, pidNumber } from './binary.js'
import { whyNoUprobe } from './uprobe.js'

export interface UsdtOptions {
  /** Limits the probe to this process; otherwise it runs in all processes, including those that start later. */
  pid?: number
  /** The value of `bpf_usdt_cookie()` in the program; 0 by default. */
  cookie?: bigint | number
}

export function attachUsdt(
  program: Attachable,
  section: string,
  binary: string,
  provider: string,
  name: string,
  { pid, cookie }: UsdtOptions,
): Link {
  const process = pidNumber(pid)
  const path = findBinary(program, binary, pid)
  const bits = u64('cookie', cookie)
  const hook: Hook = {
    what: `USDT probe '${provider}:${name}' of ${path}`,
    target: `${path}:${provider}:${name}`,
    reason: (error) => whyNoUsdt(error, path, section),
  }
  return attachTo(program, hook, () =>
    native.programAttachUsdt(program.handle, process, path, provider, name, bits),
  )
}

/** Explains a failure to attach to a static probe. */
export function whyNoUsdt(error: NativeError, path: string, section: string): string | undefined {
  const { errno, log } = error
  if (/usdt\.bpf\.h/.test(log)) {
    return 'its object has no maps for USDT: include bpf/usdt.bpf.h, and declare the program as SEC("usdt")'
  }
  const [, argument] =
    /usdt: ((?:unrecognized|unsupported|too many USDT|invalid SIB).*)/.exec(log) ??
    /usdt: (cannot parse.*)/.exec(log) ??
    []
  if (argument !== undefined) {
    const [, number] = /cannot parse arg #(\d+)/.exec(log) ?? []
    const which = number === undefined || argument.includes('#') ? '' : `arg #${number}: `
    return `the probe exists, but libbpf cannot parse its arguments: ${which}${argument}`
  }
  if (errno === constants.errno.E2BIG) {
    return "the object's map __bpf_usdt_specs is full, which has one entry for each way that probes pass their arguments; close links, or define BPF_USDT_MAX_SPEC_CNT before you include bpf/usdt.bpf.h"
  }
  if (/no USDT notes section/.test(log)) return 'it has no USDT probes'
  if (errno === constants.errno.EINVAL && !/^usdt(\.s)?(\/|$)/.test(section)) {
    return 'the program must be SEC("usdt")'
  }
  const why = whyNoUprobe(error, path)
  if (why !== undefined || errno !== constants.errno.ENOENT || log !== '') return why
  return `it has no such probe; 'readelf -n ${path}' lists its probes`
}
