import type { CgroupOwner } from './cgroup-path.js'
import type { ContainerNames } from './names.js'

/** What a cgroup belongs to: what its path tells, with the names that are known. */
export type Container = CgroupOwner & ContainerNames
