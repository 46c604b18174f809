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
  /** The function's name, or for one of its versions `memcpy@GLIBC_2.14`. */
  symbol?: string
  /** Bytes from the beginning of the function or, without `symbol`, of the file; 0 by default. */
  offset?: number
  /** Limits the probe to this process; otherwise it runs in all processes, including those that start later. */
  pid?: number
  /** Runs the program when the function returns instead of when it is called. */
  retprobe?: boolean
  /**
   * The file offset, in bytes, of a 16-bit counter that the kernel increments while the probe is attached (a USDT
   * semaphore). (Linux 4.20)
   */
  refCtrOffset?: number
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
  /** `default` by default. */
  mode?: ProbeMode
}

/** Selects the functions of a file with one of `pattern`, `symbols` and `offsets`. */
export interface UprobeMultiOptions {
  /** A name with the wildcards * and ?. A function with several names is attached once. */
  pattern?: string
  /**
   * Names as for {@link UprobeOptions.symbol}. Two names of one function count as one, and cannot have cookies or
   * counters.
   */
  symbols?: readonly string[]
  /** Bytes from the beginning of the file. */
  offsets?: Iterable<bigint | number>
  /** The counter for each of `symbols` or `offsets`, see {@link UprobeOptions.refCtrOffset}. */
  refCtrOffsets?: Iterable<bigint | number>
  /** The value of `bpf_get_attach_cookie()` for each of `symbols` or `offsets`. */
  cookies?: Iterable<bigint | number>
  /** Limits the probes to this process; otherwise they run in all processes. */
  pid?: number
  /** Runs the program when a function returns instead of when it is called. */
  retprobe?: boolean
  /**
   * Runs the program when a function is called. If the program returns 0 then, it also runs when the function returns.
   * SEC("uprobe.session"), Linux 6.13
   */
  session?: boolean
}

export function attachUprobe(program: Attachable, binary: string, options: UprobeOptions): Link {
  const { symbol, offset = 0, retprobe = false, refCtrOffset = 0, mode = 'default' } = options
  if (symbol === undefined && options.offset === undefined) {
    throw new TypeError('symbol or offset is required')
  }
  const pid = pidNumber(options.pid)
  const cookie = u64('cookie', options.cookie)
  const number = probeModeNumber(mode)
  const path = findBinary(program, binary, options.pid)
  const place = symbol === undefined ? `${offset}` : offset === 0 ? symbol : `${symbol}+${offset}`
  const hook: Hook = {
    what: `${retprobe ? 'uretprobe' : 'uprobe'} '${place}' of ${path}`,
    target: `${path}:${place}`,
    reason: (error) =>
      refCtrOffset !== 0 && mode === 'legacy' && error.errno === constants.errno.EINVAL
        ? "probes in mode 'legacy' cannot have a counter (refCtrOffset)"
        : whyNoUprobe(error, path),
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
  const [hook, ...args] = prepareMulti(program, binary, options)
  return attachToAsync(program, hook, () => native.programAttachUprobeMulti(program.handle, ...args))
}

export function attachUprobeMultiSync(
  program: Attachable,
  binary: string,
  options: UprobeMultiOptions,
): Link {
  const [hook, ...args] = prepareMulti(program, binary, options)
  return attachTo(program, hook, () => native.programAttachUprobeMultiSync(program.handle, ...args))
}

function prepareMulti(program: Attachable, binary: string, options: UprobeMultiOptions) {
  const { pattern, retprobe = false, session = false } = options
  if (typeof options.symbols === 'string') throw new TypeError('symbols is a string, not an array of names')
  const symbols = options.symbols === undefined ? undefined : [...options.symbols]
  const offsets = u64s('offsets', options.offsets)
  const refCtrOffsets = u64s('refCtrOffsets', options.refCtrOffsets)
  const cookies = u64s('cookies', options.cookies)
  const count = symbols?.length ?? offsets?.length ?? 0
  expectOne({ pattern, symbols, offsets })
  expectLength('refCtrOffsets', refCtrOffsets, count)
  expectLength('cookies', cookies, count)
  if (retprobe && session) throw new TypeError('only one of retprobe and session can be given')
  const pid = pidNumber(options.pid)
  const path = findBinary(program, binary, options.pid)
  const which =
    pattern !== undefined
      ? `'${pattern}'`
      : symbols !== undefined && count <= 3
        ? symbols.map((symbol) => `'${symbol}'`).join(', ')
        : `${count} functions`
  const hook: Hook = {
    what: `uprobes of ${which} of ${path}`,
    target: path,
    since: session ? '6.13' : '6.6',
    reason: (error) => whyNoUprobe(error, path),
  }
  return [hook, pid, path, pattern, symbols, offsets, refCtrOffsets, cookies, retprobe, session] as const
}

/** Explains a failure to attach to a program or library. */
export function whyNoUprobe({ errno, log }: NativeError, path: string): string | undefined {
  const { EACCES, EEXIST, ESRCH } = constants.errno
  // The kernel says ESRCH without a warning of libbpf's, or with one about the attempt itself.
  if (errno === ESRCH && (log === '' || /failed to (?:create|attach) .*ESRCH/.test(log)))
    return 'no such process'
  const file = whyNoBinary(path, log)
  if (file !== undefined) return file
  if (errno === EACCES && missingCapabilities(['CAP_SYS_ADMIN']).length > 0) {
    return 'not permitted: the process lacks CAP_SYS_ADMIN, which single uprobes require since Linux 6.16 (and in older kernels with that fix), or if kernel.perf_event_paranoid is above 2; attachUprobeMulti (Linux 6.6) only requires CAP_PERFMON'
  }
  if (path.includes('!/') && log.includes(`elf: failed to open ${path}`)) {
    return 'only attachUprobe() can look into archives'
  }
  if (errno === EEXIST)
    return 'two of these symbols are names of one function, which can have only one cookie and one counter'
  return functionFault(log)
}

/** libbpf-elf.c says which functions cannot be attached to, and why. */
function functionFault(log: string): string | undefined {
  const faults = [...log.matchAll(/^libbpf: elf: '.*?' ((?:has|only imports|is not) .*)$/gm)].map(
    ([, fault]) => `it ${fault}`,
  )
  if (faults.length === 0) return undefined
  const shown = faults.slice(0, 3).join('; ')
  return faults.length > 3 ? `${shown}; and ${faults.length - 3} more` : shown
}
