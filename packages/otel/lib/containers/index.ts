/**
 * Which container, pod or unit a cgroup belongs to.
 *
 * @packageDocumentation
 */
export { type CgroupOwner, parseCgroupPath, type Runtime } from './cgroup-path.js'
export { type Container, Containers, type ContainersOptions } from './containers.js'
export type { ContainerNames } from './names.js'
