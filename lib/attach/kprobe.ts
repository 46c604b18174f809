import { constants } from 'node:os'
import { BpfError } from '../errors/errors.js'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { hasKprobes, kernelFunctions, whyNoKprobeMulti, whyNoProbe } from '../machine/kallsyms.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { whyNoTracefs } from '../machine/tracefs.js'
import { native } from '../native/binding.js'
import { attachTo, attachToAsync, expectLength, expectString, type Hook, u64, u64s } from './attachable.js'

/**
 * How libbpf makes a probe: `default`, the newest way that the kernel has; `legacy`, through tracefs (needed before Linux 4.17); `perf`, a perf event without
 * a link; `link`, a perf event with one (Linux 5.15).
 */
export type ProbeMode = 'default' | 'legacy' | 'perf' | 'link'
const modes: readonly ProbeMode[] = ['default', 'legacy', 'perf', 'link']

export function probeModeNumber(mode: ProbeMode): number {
  const number = modes.indexOf(mode)
  if (number < 0) throw new TypeError(`probe mode '${mode}' does not exist; there are ${modes.join(', ')}`)
  return number
}

export interface KprobeOptions {
  /** Runs when the function returns. */
  retprobe?: boolean
  /** Bytes from the function's beginning; 0 by default. Where an instruction begins, and not with `retprobe`. */
  offset?: number
  /** What `bpf_get_attach_cookie()` returns in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
  /** `default` by default. */
  mode?: ProbeMode
}

export interface KsyscallOptions {
  /** Runs when the system call returns. */
  retprobe?: boolean
  /** What `bpf_get_attach_cookie()` returns in the program; 0 by default. (Linux 5.15) */
  cookie?: bigint | number
}

/** Many functions at once; one of `pattern`, `symbols` and `addresses` says which. */
export interface KprobeMultiOptions {
  /** Names with the wildcards * and ?. Takes tracefs, unless it has none of them. */
  pattern?: string
  symbols?: readonly string[]
  /** As /proc/kallsyms has them for who may see them. */
  addresses?: Iterable<bigint | number>
  /** For each of `symbols` or `addresses` what `bpf_get_attach_cookie()` returns. */
  cookies?: Iterable<bigint | number>
  /** Runs when a function returns. */
  retprobe?: boolean
  /** Runs when a function is entered, and where it returned 0 then, when it returns. SEC("kprobe.session"), Linux 6.10 */
  session?: boolean
  /** Fails where `pattern` has more than one match. */
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
  { retprobe = false, offset = 0, cookie, mode = 'default' }: KprobeOptions,
): Link {
  const what = retprobe ? 'kretprobe' : 'kprobe'
  const bits = u64('cookie', cookie)
  const candidates = typeof symbols === 'string' ? [symbols] : symbols
  if (!Array.isArray(candidates)) throw new TypeError('symbol is neither a string nor an array of strings')
  for (const candidate of candidates) expectString('symbol', candidate)
  if (candidates.length === 0) throw new TypeError('symbols is an empty array')
  const number = probeModeNumber(mode)
  let failure: unknown
  for (const symbol of candidates) {
    const hook: Hook = {
      what: `${what} '${symbol}'${offset === 0 ? '' : `+${offset}`}`,
      target: symbol,
      reason: ({ errno }) => (absent.has(errno) ? whyNoProbe(symbol) : undefined),
    }
    try {
      return attachTo(program, hook, () =>
        native.programAttachKprobe(program.handle, symbol, offset, retprobe, bits, number),
      )
    } catch (error) {
      if (!(error instanceof BpfError) || !absent.has(error.errno)) throw error
      failure ??= error
      if (!hasKprobes()) break
    }
  }
  // Of the first: the one that was hoped for.
  throw failure
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
    reason: ({ errno }) => {
      if (!absent.has(errno)) return undefined
      if (!hasKprobes()) return whyNoProbe(name)
      return `this kernel has no system call of that name`
    },
  }
  return attachTo(program, hook, () => native.programAttachKsyscall(program.handle, name, retprobe, bits))
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
  const symbols = options.symbols === undefined ? undefined : [...options.symbols]
  const addresses = u64s('addresses', options.addresses)
  const cookies = u64s('cookies', options.cookies)
  expectOne({ pattern, symbols, addresses })
  expectLength('cookies', cookies, symbols?.length ?? addresses?.length ?? 0)
  if (retprobe && session) throw new TypeError('retprobe and session exclude each other')
  const count = symbols?.length ?? addresses?.length
  const since = session ? '6.10' : '5.18'
  const hook: Hook = {
    what: pattern !== undefined ? `kprobes '${pattern}'` : `kprobes of ${count} functions`,
    target: pattern ?? symbols?.join(' ') ?? `${count} addresses`,
    since,
    reason: ({ errno }) => {
      if (!absent.has(errno) && errno !== constants.errno.EOPNOTSUPP) return undefined
      const lacking = tooOldFor(since) ?? whyNoKprobeMulti()
      if (lacking !== undefined) return lacking
      if (errno !== constants.errno.ENOENT && errno !== constants.errno.ESRCH) return undefined
      const noTracefs = pattern === undefined ? undefined : whyNoTracefs()
      if (noTracefs !== undefined) return noTracefs
      if (symbols === undefined) return 'no kernel function that can be probed matches'
      const known = new Set(kernelFunctions())
      const missing = symbols.find((symbol) => !known.has(symbol))
      return missing === undefined ? undefined : `'${missing}': ${whyNoProbe(missing)}`
    },
  }
  return [hook, pattern, symbols, addresses, cookies, retprobe, session, uniqueMatch] as const
}

/** Which functions are meant is said in one way only, and they are not none. */
export function expectOne(ways: Record<string, { readonly length: number } | undefined>): void {
  const given = Object.values(ways).filter((way) => way !== undefined)
  if (given.length === 1 && given[0]!.length > 0) return
  throw new TypeError(`one of ${Object.keys(ways).join(', ')} has to say which functions`)
}
