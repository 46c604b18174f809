import { attempt } from '../errors/attempt.js'
import { native } from '../native/binding.js'

/**
 * Sets the limit of locked memory (RLIMIT_MEMLOCK), which maps and programs count against before Linux 5.11. Unless
 * you call this, libbpf removes the limit when it loads the first program. (`libbpf_set_memlock_rlim`)
 *
 * @param bytes - 0 keeps the current limit
 * @throws BpfError EBUSY if libbpf has set the limit before
 */
export function setMemlockRlimit(bytes: number): void {
  attempt({ what: `set the memlock limit to ${bytes} bytes` }, () => native.setMemlockRlimit(bytes))
}
