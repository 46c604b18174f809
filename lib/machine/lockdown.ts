// What a kernel that is locked down refuses, whoever asks.
import { existsSync } from 'node:fs'
import { read } from './read.js'

/** From the least to the most that is refused. */
export type Lockdown = 'none' | 'integrity' | 'confidentiality'

/** The mode in use is in brackets. Without the file there is no lockdown, or securityfs is not mounted. */
export function lockdown(): Lockdown | undefined {
  const [, mode] = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '') ?? []
  if (mode !== undefined) return mode as Lockdown
  return existsSync('/sys/kernel/security/lsm') ? 'none' : undefined
}

const readers = new Set(['probe_read', 'probe_read_str', 'probe_read_kernel', 'probe_read_kernel_str'])

/** The mode that may be why programs may not call a helper, if it is in use. */
export function lockdownOfHelper(name: string): Lockdown | undefined {
  const isReader = readers.has(name)
  if (!isReader && name !== 'probe_write_user') return undefined
  const mode = lockdown()
  return mode === 'confidentiality' || (mode === 'integrity' && !isReader) ? mode : undefined
}
