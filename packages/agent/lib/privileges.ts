import { readFileSync } from 'node:fs'
import { ConfigError } from './config/config-error.js'

/**
 * Becomes another user. When a process gives up its last root user id, the kernel takes the capabilities of all of its
 * threads. What is attached stays attached.
 *
 * @throws ConfigError if it is not root, or still has capabilities afterwards
 */
export function dropPrivileges(user: string | number): void {
  if (process.getuid?.() !== 0)
    throw new ConfigError(
      `user ${user}: only root can become another user; leave it out of the configuration`,
    )
  const [uid, gid] = typeof user === 'number' ? [user, user] : idsOf(user)
  process.setgroups?.([])
  process.setgid?.(gid)
  process.setuid?.(uid)
  const status = readFileSync('/proc/self/status', 'utf8')
  const left = [...status.matchAll(/^Cap(?:Eff|Prm|Amb):\s*(\w+)$/gm)].filter(([, set]) => !/^0+$/.test(set!))
  if (left.length > 0)
    throw new ConfigError(`user ${user}: the process still has capabilities (SECBIT_NO_SETUID_FIXUP?)`)
}

function idsOf(name: string): [number, number] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
  if (line === undefined) throw new ConfigError(`there is no user ${name} in /etc/passwd`)
  const [, , uid, gid] = line.split(':')
  return [Number(uid), Number(gid)]
}
