import { existsSync, readFileSync } from 'node:fs'
import { types } from 'node:util'
import { didYouMean } from '../errors/nearest.js'
import { globToRegExp } from './glob.js'
import { read } from './read.js'

/**
 * The names of the functions of the kernel and its loaded modules. Some of them cannot be probed. (/proc/kallsyms)
 *
 * @param matching - a name with the wildcards * and ?, or a regular expression; without it, all functions
 */
export function kernelFunctions(matching?: string | RegExp): string[] {
  if (matching !== undefined && typeof matching !== 'string' && !types.isRegExp(matching)) {
    throw new TypeError('matching is neither a string nor a RegExp')
  }
  return functionsIn(readFileSync('/proc/kallsyms', 'latin1'), matching)
}

/** Reads the format of /proc/kallsyms. @internal */
export function functionsIn(text: string, matching?: string | RegExp): string[] {
  const wanted = typeof matching === 'string' ? globToRegExp(matching) : matching
  const names: string[] = []
  for (const [, name = ''] of text.matchAll(/^[0-9a-f]+ [tTwW] ([^\s]+)/gm)) {
    // An expression with the flag g continues where it last matched.
    if (wanted !== undefined) wanted.lastIndex = 0
    if (wanted === undefined || wanted.test(name)) names.push(name)
  }
  return names
}

/** The function that each tracepoint has since Linux 5.10. */
export const tracepointFunction = (name: string): string => `__traceiter_${name}`

/** The address of a variable of the kernel; `undefined` if there is none, or its address is hidden. */
export function variableAddress(name: string): bigint | undefined {
  const line = new RegExp(`^([0-9a-f]{16}) [bBdDrR] ${name}$`, 'm').exec(
    readFileSync('/proc/kallsyms', 'latin1'),
  )
  const address = BigInt(`0x${line?.[1] ?? '0'}`)
  return address === 0n ? undefined : address
}

/** The module that has a function; `undefined` if the kernel itself has it, or nothing does. */
export const moduleOf = (name: string): string | undefined => moduleFunctions().get(name)

/** The functions of modules, with their modules. */
const moduleFunctions = remembered((text) => {
  const modules = new Map<string, string>()
  for (const [, name = '', module = ''] of text.matchAll(/^[0-9a-f]+ [tTwW] (\S+)\t\[(\w+)\]$/gm))
    if (!modules.has(name)) modules.set(name, module)
  return modules
})

/** Whether the kernel supports kprobes. */
export const hasKprobes = (): boolean => existsSync('/sys/bus/event_source/devices/kprobe')

/** Why a kernel that is new enough has no kprobe.multi; `undefined` if it has. */
export function whyNoKprobeMulti(): string | undefined {
  const names = kernelFunctions(/^(register_fprobe_ips|schedule)$/)
  return names.includes('schedule') && !names.includes('register_fprobe_ips')
    ? 'this kernel is built without CONFIG_FPROBE'
    : undefined
}

/** The same as `kernelFunctions()`. */
const knownFunctions = remembered((text) => functionsIn(text))

/**
 * Remembers something that is computed from /proc/kallsyms. Reading the file takes 0.2 s, so a program that tries many
 * names reads it once, as long as the same modules are loaded.
 */
function remembered<T extends object>(make: (text: string) => T): () => T {
  let last: { modules: string; made: WeakRef<T> } | undefined
  return () => {
    const modules = read('/proc/modules') ?? ''
    const known = last?.modules === modules ? last.made.deref() : undefined
    if (known !== undefined) return known
    const made = make(readFileSync('/proc/kallsyms', 'latin1'))
    last = { modules, made: new WeakRef(made) }
    return made
  }
}

/**
 * Why a function cannot be probed. With 'tried', attaching to it has failed already; with 'exists', only its existence
 * is checked.
 */
export function whyNoProbe(name: string, was: 'tried' | 'exists' = 'tried'): string | undefined {
  if (!hasKprobes()) return 'this kernel is built without kprobes (CONFIG_KPROBE_EVENTS)'
  const names = knownFunctions()
  if (names.length === 0) return undefined
  if (!names.includes(name)) return `no such kernel function${didYouMean(name, names)}`
  return was === 'exists' ? undefined : 'the kernel has the function but does not allow probes there'
}
