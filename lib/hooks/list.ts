import { globSource } from '../machine/glob.js'
import { binariesOf, hooksInBinary } from './binary.js'
import { fixedHooks } from './fixed.js'
import { type Hook, type HookKind, hookKinds } from './hook.js'
import { hooksInBtf } from './kernel.js'
import { hooksInTracefs } from './tracefs.js'

/** Options for {@link listHooks}. */
export interface HookOptions {
  /** Only hooks of these kinds; all by default. */
  kinds?: readonly HookKind[]
  /** The functions and USDT probes of this program or library, instead of the hooks of the kernel: a path or a name. */
  binary?: string
  /** The same for all files that the process with this id has mapped as executable. */
  pid?: number
}

/**
 * Lists what programs can be attached to on this machine, with the arguments that they get there, and the kernel
 * functions that programs can call.
 *
 * The hooks of the kernel come from its BTF and that of its modules; tracepoints and system calls come from tracefs.
 * Without tracefs these two are left out, and only raw tracepoints are listed. Kernel functions are those that the BTF
 * describes. If this process may read which functions the kernel can trace, only those are listed.
 *
 * @param pattern - a name or a part of it after `/` or `:`, with the wildcards * and ?; everything by default
 * @throws BpfError if the kernel has no BTF, or the file cannot be read
 *
 * @example
 * for (const { name, sections, parameters } of listHooks('tcp_v*_connect')) console.log(sections[0], name, parameters)
 */
export function* listHooks(
  pattern = '*',
  { kinds = hookKinds, binary, pid }: HookOptions = {},
): Generator<Hook, undefined> {
  const unknown = kinds.find((kind) => !hookKinds.includes(kind))
  if (unknown !== undefined)
    throw new TypeError(`hook kind '${unknown}' does not exist; the kinds are ${hookKinds.join(', ')}`)
  const wanted = (kind: HookKind) => kinds.includes(kind)
  const named = matcher(pattern)
  if (binary !== undefined) yield* hooksInBinary(binary, wanted, named)
  if (pid !== undefined) yield* hooksInProcess(pid, wanted, named)
  if (binary !== undefined || pid !== undefined) return undefined
  yield* hooksInTracefs(wanted, named)
  yield* hooksInBtf(wanted, named)
  yield* fixedHooks(wanted, named)
  return undefined
}

function* hooksInProcess(
  pid: number,
  wanted: (kind: HookKind) => boolean,
  named: (name: string) => boolean,
): Generator<Hook, undefined> {
  for (const file of binariesOf(pid)) {
    try {
      yield* hooksInBinary(file, wanted, named)
    } catch {
      // It was replaced or removed on disk.
    }
  }
  return undefined
}

function matcher(pattern: string): (name: string) => boolean {
  if (typeof pattern !== 'string') throw new TypeError('pattern is not a string')
  if (/^\*+$/.test(pattern)) return () => true
  const expression = new RegExp(`^(?:.*[/:])?${globSource(pattern)}$`)
  return (name) => expression.test(name)
}
