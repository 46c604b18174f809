import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { BpfError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { hasKprobes, kernelFunctions, whyNoKprobeMulti, whyNoProbe } from '../machine/kallsyms.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { whyNoTracefs } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { attachTo, attachToAsync, expectLength, expectString, type Hook, u64, u64s } from './attachable.js'
import { attachKretprobe, expectMaxActive, whyNoKretprobe } from './kretprobe.js'

/**
 * How libbpf makes a probe. `default` uses the newest way that the kernel has. `legacy` goes through tracefs (needed
 * before Linux 4.17). `perf` opens a perf event without a link. `link` opens a perf event with a link (Linux 5.15).
 */
export type ProbeMode = 'default' | 'legacy' | 'perf' | 'link'
const modes: readonly ProbeMode[] = ['default', 'legacy', 'perf', 'link']

export function probeModeNumber(mode: ProbeMode): number {
  const number = modes.indexOf(mode)
  if (number < 0) throw new TypeError(`probe mode '${mode}' does not exist; choose from ${modes.join(', ')}`)
  return number
}

export interface KprobeOptions {
  /** Runs the program when the function returns instead of when it is called. */
  retprobe?: boolean
  /**
   * Bytes from the beginning of the function; 0 by default. It must be the start of an instruction; not with
   * `retprobe`.
   */
  offset?: number
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
  /** `default` by default. */
  mode?: ProbeMode
  /**
   * With `retprobe`: how many calls of the function the kernel can follow at a time, from 1 to 4096. It misses the
   * returns of further calls. By default, it follows twice as many as there are CPUs, and at least 10. Choose more for
   * functions that sleep. `kprobe.multi` has no such limit. (tracefs)
   *
   * Such a probe is an event of tracefs, which is removed with the link. If a process is killed, its event stays there
   * but does nothing, and is removed when the next such probe is attached.
   */
  maxActive?: number
}

export interface KsyscallOptions {
  /** Runs the program when the system call returns instead of when it is called. */
  retprobe?: boolean
  /** The value of `bpf_get_attach_cookie()` in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
}

/** Selects the functions with one of `pattern`, `symbols` and `addresses`. */
export interface KprobeMultiOptions {
  /** A name with the wildcards * and ?. Requires tracefs if it has wildcards. */
  pattern?: string
  symbols?: readonly string[]
  /** As in /proc/kallsyms, which shows them to privileged users. */
  addresses?: Iterable<bigint | number>
  /** The value of `bpf_get_attach_cookie()` for each of `symbols` or `addresses`. */
  cookies?: Iterable<bigint | number>
  /** Runs the program when a function returns instead of when it is called. */
  retprobe?: boolean
  /**
   * Runs the program when a function is called. If the program returns 0 then, it also runs when the function returns.
   * SEC("kprobe.session"), Linux 6.10
   */
  session?: boolean
  /** Fails if `pattern` matches more than one function. */
  uniqueMatch?: boolean
}

const absent = new Set<number>([
  constants.errno.ENOENT,
  constants.errno.ESRCH,
  constants.errno.EINVAL,
  constants.errno.EADDRNOTAVAIL,
  constants.errno.EADDRINUSE,
])

export function attachKprobe(
  program: Attachable,
  symbols: string | readonly string[],
  { retprobe = false, offset = 0, cookie, mode = 'default', maxActive }: KprobeOptions,
): Link {
  const what = retprobe ? 'kretprobe' : 'kprobe'
  const bits = u64('cookie', cookie)
  const candidates = typeof symbols === 'string' ? [symbols] : symbols
  if (!Array.isArray(candidates)) throw new TypeError('symbol is neither a string nor an array of strings')
  for (const candidate of candidates) expectString('symbol', candidate)
  if (candidates.length === 0) throw new TypeError('symbols is an empty array')
  const number = probeModeNumber(mode)
  if (maxActive !== undefined) {
    expectMaxActive(maxActive)
    if (!retprobe || mode !== 'default' || offset !== 0)
      throw new TypeError('maxActive requires retprobe, and cannot be combined with mode or offset')
  }
  let failure: unknown
  for (const symbol of candidates) {
    const hook: Hook = {
      what: `${what} '${symbol}'${offset === 0 ? '' : `+${offset}`}`,
      target: symbol,
      reason: (error) =>
        (maxActive === undefined ? undefined : whyNoKretprobe(error, symbol)) ?? whyNoKprobe(error, symbol),
    }
    try {
      return attachTo(program, hook, () =>
        maxActive === undefined
          ? native.programAttachKprobe(program.handle, symbol, offset, retprobe, bits, number)
          : attachKretprobe(program.handle, symbol, maxActive, bits),
      )
    } catch (error) {
      if (!(error instanceof BpfError) || !absent.has(error.errno)) throw error
      failure ??= error
      if (!hasKprobes()) break
    }
  }
  // Reports the first candidate's error, because the caller prefers that function.
  throw failure
}

export function whyNoKprobe({ errno }: NativeError, symbol: string): string | undefined {
  return absent.has(errno) ? whyNoProbe(symbol) : undefined
}

export function attachKsyscall(
  program: Attachable,
  name: string,
  { retprobe = false, cookie }: KsyscallOptions,
): Link {
  const bits = u64('cookie', cookie)
  const hook: Hook = {
    what: `system call '${name}'`,
    target: name,
    reason: (error) => whyNoKsyscall(error, name),
  }
  return attachTo(program, hook, () => native.programAttachKsyscall(program.handle, name, retprobe, bits))
}

export function whyNoKsyscall({ errno }: NativeError, name: string): string | undefined {
  if (!absent.has(errno)) return undefined
  if (!hasKprobes()) return whyNoProbe(name)
  const entries = /^__(?:x64|arm64)_sys_/
  const names = kernelFunctions(entries).map((entry) => entry.replace(entries, ''))
  return `this kernel has no system call of that name${didYouMean(name, names)}`
}

export function attachKprobeMulti(program: Attachable, options: KprobeMultiOptions): Promise<Link> {
  const [hook, ...args] = prepareMulti(options)
  return attachToAsync(program, hook, () => native.programAttachKprobeMulti(program.handle, ...args))
}

export function attachKprobeMultiSync(program: Attachable, options: KprobeMultiOptions): Link {
  const [hook, ...args] = prepareMulti(options)
  return attachTo(program, hook, () => native.programAttachKprobeMultiSync(program.handle, ...args))
}

function prepareMulti(options: KprobeMultiOptions) {
  const { pattern, retprobe = false, session = false, uniqueMatch = false } = options
  if (typeof options.symbols === 'string') throw new TypeError('symbols is a string, not an array of names')
  const symbols = options.symbols === undefined ? undefined : [...options.symbols]
  const addresses = u64s('addresses', options.addresses)
  const cookies = u64s('cookies', options.cookies)
  expectOne({ pattern, symbols, addresses })
  expectLength('cookies', cookies, symbols?.length ?? addresses?.length ?? 0)
  if (retprobe && session) throw new TypeError('only one of retprobe and session can be given')
  const count = symbols?.length ?? addresses?.length
  const since = session ? '6.10' : '5.18'
  const hook: Hook = {
    what: pattern !== undefined ? `kprobes '${pattern}'` : `kprobes of ${count} functions`,
    target: pattern ?? symbols?.join(' ') ?? `${count} addresses`,
    since,
    reason: (error) => whyNoKprobes(error, since, { pattern, symbols }),
  }
  return [hook, pattern, symbols, addresses, cookies, retprobe, session, uniqueMatch] as const
}

/** Explains a failure to attach to many kernel functions. */
export function whyNoKprobes(
  { errno }: NativeError,
  since: string,
  { pattern, symbols }: { pattern?: string | undefined; symbols?: readonly string[] | undefined },
): string | undefined {
  if (!absent.has(errno) && errno !== constants.errno.EOPNOTSUPP) return undefined
  const lacking = tooOldFor(since) ?? whyNoKprobeMulti()
  if (lacking !== undefined) return lacking
  if (errno !== constants.errno.ENOENT && errno !== constants.errno.ESRCH) return undefined
  const noTracefs = pattern === undefined ? undefined : whyNoTracefs()
  if (noTracefs !== undefined) return noTracefs
  if (symbols === undefined) return 'no kernel function that can be probed matches'
  // The kernel looks each name up once, so it misses the second one.
  const twice = symbols.find((symbol, i) => symbols.indexOf(symbol) < i)
  if (twice !== undefined) return `'${twice}' is in the list twice`
  const known = new Set(kernelFunctions())
  const missing = symbols.find((symbol) => !known.has(symbol))
  return missing === undefined ? undefined : `'${missing}': ${whyNoProbe(missing)}`
}

/** Checks that the functions are selected in exactly one way, and that there is at least one. */
export function expectOne(ways: Record<string, { readonly length: number } | undefined>): void {
  const given = Object.values(ways).filter((way) => way !== undefined)
  if (given.length === 1 && given[0]!.length > 0) return
  throw new TypeError(`exactly one of ${Object.keys(ways).join(', ')} is required, and it must not be empty`)
}
