// What a locked-down kernel refuses, even to root.
import { existsSync } from 'node:fs'
import { read } from './read.js'

/** The modes, from the least to the most restrictive. */
export type Lockdown = 'none' | 'integrity' | 'confidentiality'

/** The current mode; `undefined` if it cannot be read because securityfs is not mounted. */
export function lockdown(): Lockdown | undefined {
  const [, mode] = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '') ?? []
  if (mode !== undefined) return mode as Lockdown
  return existsSync('/sys/kernel/security/lsm') ? 'none' : undefined
}

const readers = new Set(['probe_read', 'probe_read_str', 'probe_read_kernel', 'probe_read_kernel_str'])

/** The current mode, if it can be the reason why programs may not call a helper. */
export function lockdownOfHelper(name: string): Lockdown | undefined {
  const isReader = readers.has(name)
  if (!isReader && name !== 'probe_write_user') return undefined
  const mode = lockdown()
  return mode === 'confidentiality' || (mode === 'integrity' && !isReader) ? mode : undefined
}
