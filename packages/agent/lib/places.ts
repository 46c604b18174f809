import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of a cgroup of version 2; without a path, the root. */
export function findCgroup(path = '/'): string {
  const root = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((root) =>
    existsSync(join(root, 'cgroup.controllers')),
  )
  if (root === undefined) throw new Error('cgroup version 2 is not mounted at /sys/fs/cgroup')
  return path.startsWith(root) ? path : join(root, path)
}
