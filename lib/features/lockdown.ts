// What a kernel that is locked down refuses, whoever asks.
import { existsSync, readFileSync } from 'node:fs'

/** From the least to the most that is refused. */
export type Lockdown = 'none' | 'integrity' | 'confidentiality'

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The mode in use is in brackets. Without the file there is no lockdown, or securityfs is not mounted. */
export function lockdown(): Lockdown | undefined {
  const [, mode] = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '') ?? []
  if (mode !== undefined) return mode as Lockdown
  return existsSync('/sys/kernel/security/lsm') ? 'none' : undefined
}

const readers = new Set(['probe_read', 'probe_read_str', 'probe_read_kernel', 'probe_read_kernel_str'])

/** The mode that may be why programs may not call a helper, if it is in use. */
export function lockdownOfHelper(name: string): Lockdown | undefined {
  const mode = lockdown()
  if (mode === 'confidentiality' && readers.has(name)) return mode
  return mode !== 'none' && name === 'probe_write_user' ? mode : undefined
}
