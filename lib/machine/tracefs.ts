import { readdirSync, statfsSync, statSync } from 'node:fs'
import { didYouMean } from '../errors/nearest.js'

const folders = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']

/** TRACEFS_MAGIC of linux/magic.h. */
const tracefs = 0x74726163

/** access(2), which `existsSync` asks, does not count capabilities of a user who is not root: CAP_DAC_READ_SEARCH lets one read tracefs. */
function isThere(path: string): boolean {
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

const eventsFolder = (): string | undefined =>
  folders.map((folder) => `${folder}/events`).find((events) => isThere(events))

/** What is the matter with tracefs, and what helps; `undefined` where this process can look into it. */
export function missingTracefs(): { is: string; fix: string } | undefined {
  if (eventsFolder() !== undefined) return undefined
  return folders.some(isMounted)
    ? { is: 'for root only', fix: 'run it as root, or with CAP_DAC_READ_SEARCH' }
    : { is: 'not mounted', fix: 'mount -t tracefs tracefs /sys/kernel/tracing' }
}

/** The same in words. */
export function whyNoTracefs(): string | undefined {
  const missing = missingTracefs()
  if (missing === undefined) return undefined
  const { is, fix } = missing
  return `tracefs is ${is}; ${fix.startsWith('mount') ? `'${fix}' does it` : fix}`
}

/** Why a tracepoint is not there; `undefined` where it is. */
export function whyNoTracepoint(category: string, name: string): string | undefined {
  const events = eventsFolder()
  if (events === undefined) return `the tracepoint cannot be looked up, ${whyNoTracefs()}`
  if (isThere(`${events}/${category}/${name}`)) return undefined
  const folder = `${events}/${category}`
  return `no such tracepoint '${category}/${name}'${didYouMean(name, isThere(folder) ? readdirSync(folder) : [])}`
}
