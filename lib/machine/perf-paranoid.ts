import { readFileSync } from 'node:fs'
import { hasCapability, missingCapabilities } from './capabilities.js'

/** Why the kernel said EACCES to perf_event_open(), through which probes and tracepoints go, too; `undefined` where it is not for what the process lacks. */
export function whyNoPerfEvent(): string | undefined {
  if (missingCapabilities(['CAP_SYS_ADMIN']).length === 0) return undefined
  if (!hasCapability('CAP_PERFMON')) {
    return 'not permitted, the process lacks CAP_PERFMON, without which kernel.perf_event_paranoid allows little'
  }
  const level = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'))
  // A level that Debian adds, and sets.
  return level > 2
    ? `not permitted: kernel.perf_event_paranoid is ${level}, with which perf events take CAP_SYS_ADMIN; with 2 CAP_PERFMON is enough`
    : undefined
}
