import type { CgroupOwner } from './cgroup-path.js'
import type { ContainerNames } from './names.js'

/** Whose cgroup it is: what its path says, with the names that are known. */
export type Container = CgroupOwner & ContainerNames
