import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { missingCapabilities } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import { attachTo, attachToAsync, expectLength, type Hook, u64, u64s } from './attachable.js'
import { findBinary, pidNumber, whyNoBinary } from './binary.js'
import { expectOne, type ProbeMode, probeModeNumber } from './kprobe.js'

export interface UprobeOptions {
  /** The function; `malloc@GLIBC_2.2.5` for one of several versions. */
  symbol?: string
  /** Bytes from the function's beginning, without `symbol` from the file's; 0 by default. */
  offset?: number
  /** Only in this process; without it in all, those that start later too. */
  pid?: number
  /** Runs when the function returns. */
  retprobe?: boolean
  /** Where in the file a counter stands that the kernel raises while the probe is there (a USDT semaphore), in bytes. (Linux 4.20) */
  refCtrOffset?: number
  /** What `bpf_get_attach_cookie()` returns in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
  /** `default` by default. */
  mode?: ProbeMode
}

/** Many functions of a file at once; one of `pattern`, `symbols` and `offsets` says which. */
export interface UprobeMultiOptions {
  /** Names with the wildcards * and ?. */
  pattern?: string
  symbols?: readonly string[]
  /** Bytes from the file's beginning. */
  offsets?: Iterable<bigint | number>
  /** For each of `symbols` or `offsets` where its counter stands, see {@link UprobeOptions.refCtrOffset}. */
  refCtrOffsets?: Iterable<bigint | number>
  /** For each of `symbols` or `offsets` what `bpf_get_attach_cookie()` returns. */
  cookies?: Iterable<bigint | number>
  /** Only in this process; without it in all. */
  pid?: number
  /** Runs when a function returns. */
  retprobe?: boolean
  /** Runs when a function is entered, and where it returned 0 then, when it returns. SEC("uprobe.session"), Linux 6.13 */
  session?: boolean
}

export function attachUprobe(program: Attachable, binary: string, options: UprobeOptions): Link {
  const { symbol, offset = 0, retprobe = false, refCtrOffset = 0, mode = 'default' } = options
  if (symbol === undefined && options.offset === undefined)
    throw new TypeError('symbol or offset has to say where')
  const pid = pidNumber(options.pid)
  const cookie = u64('cookie', options.cookie)
  const number = probeModeNumber(mode)
  const path = findBinary(binary, options.pid)
  const place = symbol === undefined ? `${offset}` : offset === 0 ? symbol : `${symbol}+${offset}`
  const hook: Hook = {
    what: `${retprobe ? 'uretprobe' : 'uprobe'} '${place}' of ${path}`,
    target: `${path}:${place}`,
    reason: (error) =>
      refCtrOffset !== 0 && mode === 'legacy' && error.errno === constants.errno.EINVAL
        ? "probes of mode 'legacy' have no counters (refCtrOffset)"
        : whyNoUprobe(error, path, symbol),
  }
  return attachTo(program, hook, () =>
    native.programAttachUprobe(
      program.handle,
      pid,
      path,
      symbol,
      offset,
      retprobe,
      refCtrOffset,
      cookie,
      number,
    ),
  )
}

export function attachUprobeMulti(
  program: Attachable,
  binary: string,
  options: UprobeMultiOptions,
): Promise<Link> {
  const [hook, ...args] = prepareMulti(binary, options)
  return attachToAsync(program, hook, () => native.programAttachUprobeMulti(program.handle, ...args))
}

export function attachUprobeMultiSync(
  program: Attachable,
  binary: string,
  options: UprobeMultiOptions,
): Link {
  const [hook, ...args] = prepareMulti(binary, options)
  return attachTo(program, hook, () => native.programAttachUprobeMultiSync(program.handle, ...args))
}

function prepareMulti(binary: string, options: UprobeMultiOptions) {
  const { pattern, retprobe = false, session = false } = options
  const symbols = options.symbols === undefined ? undefined : [...options.symbols]
  const offsets = u64s('offsets', options.offsets)
  const refCtrOffsets = u64s('refCtrOffsets', options.refCtrOffsets)
  const cookies = u64s('cookies', options.cookies)
  const count = symbols?.length ?? offsets?.length ?? 0
  expectOne({ pattern, symbols, offsets })
  expectLength('refCtrOffsets', refCtrOffsets, count)
  expectLength('cookies', cookies, count)
  if (retprobe && session) throw new TypeError('retprobe and session exclude each other')
  const path = findBinary(binary, options.pid)
  const which = pattern === undefined ? `${count} functions` : `'${pattern}'`
  const hook: Hook = {
    what: `uprobes of ${which} of ${path}`,
    target: path,
    since: session ? '6.13' : '6.6',
    reason: (error) => whyNoUprobe(error, path, pattern ?? symbols?.join(', ')),
  }
  const pid = pidNumber(options.pid)
  return [hook, pid, path, pattern, symbols, offsets, refCtrOffsets, cookies, retprobe, session] as const
}

export function whyNoUprobe(
  { errno, log }: NativeError,
  path: string,
  symbol: string | undefined,
): string | undefined {
  if (errno === constants.errno.ESRCH) return 'no such process'
  const file = whyNoBinary(path)
  if (file !== undefined) return file
  if (errno === constants.errno.EACCES && missingCapabilities(['CAP_SYS_ADMIN']).length > 0) {
    return 'not permitted, the process lacks CAP_SYS_ADMIN, which single uprobes take since Linux 6.16, in older kernels with its fixes, and where kernel.perf_event_paranoid is above 2; attachUprobeMulti (Linux 6.6) takes CAP_PERFMON'
  }
  // Other things are missing, too, where tracefs is: of those libbpf warns.
  if (
    symbol === undefined ||
    errno !== constants.errno.ENOENT ||
    (log !== '' && !/find symbol|in symtab/.test(log))
  ) {
    return undefined
  }
  return `it has no function '${symbol}', or only in a symbol table that was stripped`
}
