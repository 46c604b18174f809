// Links.
import type { LinkHandle, MapHandle, ProgramHandle } from './handles.js'

/** `struct bpf_link_info`. Which optional members are set depends on `type`. */
export interface LinkInfo {
  type: number
  id: number
  programId: number
  /** Tracing, cgroup, netns, TCX, netkit, sockmap. */
  attachType?: number
  /**
   * Raw tracepoint, iterator: the name of the target. Perf event: the tracepoint, the function, or the file of a
   * uprobe.
   */
  name?: string
  /** Raw tracepoint, tracing, perf event. 0 on kernels that do not report it. */
  cookie?: bigint
  /** Tracing: the target program or BTF object, and the type in it. */
  targetObjectId?: number
  targetBtfId?: number
  /** Cgroup, iterator over cgroups. */
  cgroupId?: bigint
  /** Iterator over cgroups: BPF_CGROUP_ITER_*. */
  order?: number
  /** Iterator over tasks; with pid, multi uprobe. */
  tid?: number
  pid?: number
  netnsInode?: number
  /** XDP, TCX, netkit. */
  ifindex?: number
  /** Netfilter. */
  protocolFamily?: number
  hook?: number
  priority?: number
  /** struct_ops, iterator over a map, sockmap. */
  mapId?: number
  /** Perf event: BPF_PERF_EVENT_*; 0 before Linux 6.6. */
  eventType?: number
  /** Perf event of a kprobe or uprobe: the offset from the function or from the start of the file in bytes. */
  offset?: number
  address?: bigint
  refCtrOffset?: bigint
  /** Kprobe, multi kprobe. */
  missed?: bigint
  /** Perf event that is not a probe: `type` and `config` of perf_event_attr. */
  perfType?: number
  perfConfig?: bigint
  /** From here on: multi kprobe and multi uprobe. Netfilter has flags, too. */
  count?: number
  flags?: number
  addresses?: BigUint64Array
  path?: string
  offsets?: BigUint64Array
  refCtrOffsets?: BigUint64Array
  cookies?: BigUint64Array
}

export interface LinkBinding {
  // ---- link: binding/link.cc

  /** `bpf_link__open`: opens a pinned link. */
  linkOpen(path: string): LinkHandle
  /**
   * `bpf_link__destroy`: detaches the program unless the link is pinned or disconnected. Can be called more than
   * once. Garbage collection never closes a link.
   */
  linkClose(link: LinkHandle): void
  /** Closes several links on libuv's pool. Their objects stay open until the Promise settles. */
  linkCloseAsync(links: LinkHandle[]): Promise<void>
  /** Writes a line to a file of tracefs as soon as the program is detached, which removes the link's probe event. */
  linkOwnProbe(link: LinkHandle, file: string, removal: string): void
  /** Uses a duplicate of the descriptor. EINVAL if it is not a link. */
  linkFromFd(fd: number): LinkHandle
  linkFromId(id: number): LinkHandle
  linkFd(link: LinkHandle): number
  linkDetach(link: LinkHandle): void
  linkDisconnect(link: LinkHandle): void
  linkPin(link: LinkHandle, path: string): void
  linkUnpin(link: LinkHandle): void
  linkPinPath(link: LinkHandle): string | undefined
  /** `bpf_link_update` with BPF_F_REPLACE if `expectedFd` is not -1, otherwise `bpf_link__update_program`. */
  linkUpdateProgram(link: LinkHandle, program: ProgramHandle, expectedFd: number): void
  linkUpdateMap(link: LinkHandle, map: MapHandle): void
  linkInfo(link: LinkHandle): LinkInfo
  /** `bpf_iter_create`: a descriptor to read from, which the caller has to close. */
  linkIterCreate(link: LinkHandle): number
}
