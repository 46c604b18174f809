// Checks what a question needs before anything is compiled; otherwise, errors would come up one after the other.
import { existsSync } from 'node:fs'
import { missingCapabilities } from '../machine/capabilities.js'
import { missingTracefs } from '../machine/tracefs.js'
import { TraceError } from './error.js'

const btf = '/sys/kernel/btf/vmlinux'

/**
 * Checks that the kernel has types, and that this process may trace.
 *
 * @throws TraceError that says what is missing, and how to get it
 */
export function expectTracing(): void {
  if (!existsSync(btf)) {
    throw new TraceError(
      `this kernel has no BTF, which says what its functions and tracepoints have: there is no ${btf}. It needs a kernel that was built with CONFIG_DEBUG_INFO_BTF, and /sys`,
    )
  }
  const missing = lacking()
  if (missing.length === 0) return
  const words = missing.map((name) => name.slice(4).toLowerCase())
  const set = words.map((word) => `+${word}`).join(',')
  throw new TraceError(
    `tracing is not permitted: the process lacks ${listed(missing)}. Run it as root, or with 'sudo setpriv --reuid=$UID --clear-groups --inh-caps=${set} --ambient-caps=${set} COMMAND'`,
  )
}

function lacking(): string[] {
  let missing: string[]
  try {
    missing = missingCapabilities(['CAP_BPF', 'CAP_PERFMON'])
  } catch {
    // There is no /proc; the kernel says what is wrong.
    return []
  }
  // Tracepoints are looked up in tracefs, which belongs to root.
  const isForRoot = missingTracefs()?.is === 'readable by root only'
  return isForRoot ? [...missing, 'CAP_DAC_READ_SEARCH'] : missing
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
