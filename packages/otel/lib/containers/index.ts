/**
 * Which container, pod or unit a cgroup belongs to.
 *
 * @packageDocumentation
 */
export { type CgroupOwner, parseCgroupPath, type Runtime } from './cgroup-path.js'
export type { Container } from './container.js'
export { Containers, type ContainersOptions } from './containers.js'
export { Follow, type FollowAttach, type FollowedFile, type FollowOptions } from './follow.js'
export type { KubeletOptions } from './kubelet.js'
export type { ContainerNames } from './names.js'
