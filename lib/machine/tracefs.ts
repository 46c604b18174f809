import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { didYouMean } from '../errors/nearest.js'

const folders = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']

/** TRACEFS_MAGIC of linux/magic.h. */
const tracefs = 0x74726163

/**
 * `existsSync` calls access(2), which ignores the capabilities of users other than root. With CAP_DAC_READ_SEARCH they
 * can read tracefs.
 */
function exists(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}

function isMounted(folder: string): boolean {
  try {
    return statfsSync(folder).type === tracefs
  } catch {
    return false
  }
}

/** The folder of tracepoints; `undefined` if this process cannot read it. */
export const eventsFolder = (): string | undefined =>
  folders.map((folder) => `${folder}/events`).find((events) => exists(events))

/** What is wrong with tracefs and how to fix it; `undefined` if this process can read it. */
export function missingTracefs(): { is: string; fix: string } | undefined {
  if (eventsFolder() !== undefined) return undefined
  return folders.some(isMounted)
    ? { is: 'readable by root only', fix: 'run it as root or with CAP_DAC_READ_SEARCH' }
    : { is: 'not mounted', fix: 'mount -t tracefs tracefs /sys/kernel/tracing' }
}

/** The same as one sentence. */
export function whyNoTracefs(): string | undefined {
  const missing = missingTracefs()
  if (missing === undefined) return undefined
  const { is, fix } = missing
  return `tracefs is ${is}; ${fix.startsWith('mount') ? `'${fix}' mounts it` : fix}`
}

/** Why a tracepoint is not found; `undefined` if it exists. */
export function whyNoTracepoint(category: string, name: string): string | undefined {
  const events = eventsFolder()
  if (events === undefined) return `the tracepoint cannot be looked up: ${whyNoTracefs()}`
  if (exists(`${events}/${category}/${name}`)) return undefined
  const folder = `${events}/${category}`
  return `no such tracepoint '${category}/${name}'${didYouMean(name, exists(folder) ? readdirSync(folder) : [])}`
}

/** The functions that can be traced; `undefined` if this kernel does not say. */
export function probeableFunctions(): ReadonlySet<string> | undefined {
  for (const folder of folders) {
    try {
      const text = readFileSync(`${folder}/available_filter_functions`, 'latin1')
      return new Set([...text.matchAll(/^\S+/gm)].map(([name]) => name))
    } catch {
      // It is not mounted there, or hardened.
    }
  }
  return undefined
}

/** A field of the record of an event. */
export interface EventField {
  readonly name: string
  readonly type: string
  /** As in C. */
  readonly declaration: string
  /** Bytes from the beginning of the record. */
  readonly offset: number
  readonly size: number
}

/** The fields of an event without the common ones; `undefined` if its description cannot be read. @param event - its folder */
export function fieldsOf(event: string): EventField[] | undefined {
  let text: string
  try {
    text = readFileSync(`${event}/format`, 'latin1')
  } catch {
    return undefined
  }
  return [...text.matchAll(/^\s+field:([^;]+);\s*offset:(\d+);\s*size:(\d+);/gm)]
    .map(([, declaration = '', offset, size]) => ({
      ...fieldOf(declaration),
      offset: Number(offset),
      size: Number(size),
    }))
    .filter(({ name }) => !name.startsWith('common_'))
}

/** Reads `pid_t pid`, `char comm[16]` or `__data_loc char[] filename`. */
function fieldOf(text: string): Pick<EventField, 'name' | 'type' | 'declaration'> {
  const declaration = text
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/\* (?=\w)/g, '*')
  const [, before = '', name = '', dimensions = ''] =
    /^(.*?)\s*(\w+)((?:\[[^\]]*\])*)$/.exec(declaration) ?? []
  return { name, type: `${before}${dimensions}`, declaration }
}
