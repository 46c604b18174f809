import { readFileSync } from 'node:fs'
import { hasCapability, missingCapabilities } from './capabilities.js'

/**
 * Why perf_event_open(), which also attaches probes and tracepoints, failed with EACCES; `undefined` if no privilege is
 * missing.
 */
export function whyNoPerfEvent(): string | undefined {
  if (missingCapabilities(['CAP_SYS_ADMIN']).length === 0) return undefined
  if (!hasCapability('CAP_PERFMON')) {
    return 'not permitted, the process lacks CAP_PERFMON, which kernel.perf_event_paranoid requires'
  }
  const level = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'))
  // Only Debian's kernels have this level, and Debian sets it by default.
  return level > 2
    ? `not permitted: kernel.perf_event_paranoid is ${level}, and then perf events require CAP_SYS_ADMIN; set it to 2, and CAP_PERFMON is enough`
    : undefined
}
