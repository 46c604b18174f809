import { existsSync, readFileSync } from 'node:fs'
import { types } from 'node:util'
import { didYouMean } from '../errors/nearest.js'

/**
 * The names of the kernel's functions, those of loaded modules too. Not each of them can be probed. (/proc/kallsyms)
 *
 * @param matching - which of them: a name with the wildcards * and ?, or an expression; all without
 */
export function kernelFunctions(matching?: string | RegExp): string[] {
  if (matching !== undefined && typeof matching !== 'string' && !types.isRegExp(matching)) {
    throw new TypeError('matching is neither a string nor a RegExp')
  }
  return functionsIn(readFileSync('/proc/kallsyms', 'latin1'), matching)
}

/** What /proc/kallsyms says. @internal */
export function functionsIn(text: string, matching?: string | RegExp): string[] {
  const wanted = typeof matching === 'string' ? globToRegExp(matching) : matching
  const names: string[] = []
  for (const [, name = ''] of text.matchAll(/^[0-9a-f]+ [tTwW] ([^\s]+)/gm)) {
    // An expression with the flag g goes on where it found the one before.
    if (wanted !== undefined) wanted.lastIndex = 0
    if (wanted === undefined || wanted.test(name)) names.push(name)
  }
  return names
}

/** The module that has a function; `undefined` for the kernel itself, and for none. */
export function moduleOf(name: string): string | undefined {
  for (const [, found, module] of readFileSync('/proc/kallsyms', 'latin1').matchAll(
    /^[0-9a-f]+ [tTwW] (\S+)\t\[(\w+)\]$/gm,
  )) {
    if (found === name) return module
  }
  return undefined
}

function globToRegExp(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  // Several * in a row are one; as expressions they would try each way to share a name among them.
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`)
}

/** Whether the kernel has kprobes at all. */
export const hasKprobes = (): boolean => existsSync('/sys/bus/event_source/devices/kprobe')

/** Why kprobe.multi is not there, where it is not for the kernel's age. */
export function whyNoKprobeMulti(): string | undefined {
  const names = kernelFunctions(/^(register_fprobe_ips|schedule)$/)
  return names.includes('schedule') && !names.includes('register_fprobe_ips')
    ? 'this kernel is built without CONFIG_FPROBE'
    : undefined
}

/** Why a function cannot be probed: because it was tried in vain, or, where it was not, because it does not exist. */
export function whyNoProbe(name: string, was: 'tried' | 'exists' = 'tried'): string | undefined {
  if (!hasKprobes()) return 'this kernel is built without kprobes (CONFIG_KPROBE_EVENTS)'
  const names = kernelFunctions()
  if (names.length === 0) return undefined
  if (!names.includes(name)) return `no such kernel function${didYouMean(name, names)}`
  return was === 'exists' ? undefined : 'the kernel has the function, but lets nobody probe it there'
}
