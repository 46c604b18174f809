import type { LinkInfo as NativeLinkInfo } from '../../types/binding.js'
import { type AttachType, attachTypeName, type LinkType, linkTypeName } from '../native/type-names.js'

interface Common {
  id: number
  programId: number
}

/** Numbers are 0 and names are empty on kernels that do not report them yet. */
interface WithCookie {
  /** The value that `bpf_get_attach_cookie()` returns in the program; 0n for none. */
  cookie: bigint
}

export interface RawTracepointLinkInfo extends Common, WithCookie {
  type: 'raw_tracepoint'
  /** The name of the tracepoint. */
  name: string
}

/** A link of an fentry, fexit, fmod_ret, tp_btf, LSM or freplace program. */
export interface TracingLinkInfo extends Common, WithCookie {
  type: 'tracing'
  attachType: AttachType
  /** The id of the BPF program, or of the BTF object, that has the function. */
  targetObjectId: number
  /** The id of the function in its BTF. */
  targetBtfId: number
}

export interface CgroupLinkInfo extends Common {
  type: 'cgroup'
  /** The inode of the cgroup's directory; 0n if the cgroup is gone or the link was detached. */
  cgroupId: bigint
  attachType: AttachType
}

export interface IterLinkInfo extends Common {
  type: 'iter'
  /** What it iterates over, such as 'task' or 'bpf_map_elem'. */
  name: string
  /** The map whose elements it iterates over. */
  mapId?: number
  /** The cgroup where it begins. */
  cgroupId?: bigint
  /** BPF_CGROUP_ITER_* of linux/bpf.h. */
  order?: number
  /** The thread that it is limited to; 0 for all. */
  tid?: number
  /** The process that it is limited to; 0 for all. */
  pid?: number
}

export interface NetnsLinkInfo extends Common {
  type: 'netns'
  /** The inode of /proc/PID/ns/net; 0 if the namespace is gone. */
  netnsInode: number
  attachType: AttachType
}

export interface XdpLinkInfo extends Common {
  type: 'xdp'
  /** The index of the interface; 0 if it is gone. */
  ifindex: number
}

/** A link of a kprobe, uprobe, tracepoint or perf event. (Linux 6.6; `event` is 'unspec' before that) */
export type PerfEventLinkInfo = Common & { type: 'perf_event' } & (
    | { event: 'unspec' }
    | ({
        event: 'uprobe' | 'uretprobe'
        /** The path of the file. */
        name: string
        /** The offset of the probe in the file, in bytes. */
        offset: number
        /** The offset of the USDT reference counter in the file; 0n for none. */
        refCtrOffset: bigint
      } & WithCookie)
    | ({
        event: 'kprobe' | 'kretprobe'
        /** The name of the function. */
        name: string
        /** The offset of the probe in the function, in bytes. */
        offset: number
        /** The address of the probe; 0n if it is hidden from this process. */
        address: bigint
        /** How often the program could not run. */
        missed: bigint
      } & WithCookie)
    | ({ event: 'tracepoint'; name: string } & WithCookie)
    | ({
        event: 'event'
        /** `type` and `config` of `struct perf_event_attr`. */
        perfType: number
        perfConfig: bigint
      } & WithCookie)
  )

/** A link of a kprobe.multi program. (Linux 6.6; `count` is 0 before that) */
export interface KprobeMultiLinkInfo extends Common {
  type: 'kprobe_multi'
  count: number
  /** BPF_F_KPROBE_MULTI_RETURN is 1. */
  flags: number
  /** How often the program could not run. */
  missed: bigint
  /** The addresses of the functions; 0n if they are hidden from this process. */
  addresses: BigUint64Array
  cookies: BigUint64Array
}

/** A link of a uprobe.multi program. (Linux 6.8; `count` is 0 before that) */
export interface UprobeMultiLinkInfo extends Common {
  type: 'uprobe_multi'
  path: string
  count: number
  /** BPF_F_UPROBE_MULTI_RETURN is 1. */
  flags: number
  /** The process that it is limited to; 0 for all. */
  pid: number
  offsets: BigUint64Array
  refCtrOffsets: BigUint64Array
  cookies: BigUint64Array
}

export interface StructOpsLinkInfo extends Common {
  type: 'struct_ops'
  mapId: number
}

export interface NetfilterLinkInfo extends Common {
  type: 'netfilter'
  /** 2 is IPv4, 10 is IPv6. */
  protocolFamily: number
  /** NF_INET_*: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting. */
  hook: number
  priority: number
  /** BPF_F_NETFILTER_IP_DEFRAG is 1. */
  flags: number
}

export interface TcxLinkInfo extends Common {
  type: 'tcx'
  /** The index of the interface; 0 if it is gone. */
  ifindex: number
  attachType: AttachType
}

export interface NetkitLinkInfo extends Common {
  type: 'netkit'
  /** The index of the interface; 0 if it is gone. */
  ifindex: number
  attachType: AttachType
}

export interface SockmapLinkInfo extends Common {
  type: 'sockmap'
  mapId: number
  attachType: AttachType
}

/** A link of a type that this version does not know. */
export interface OtherLinkInfo extends Common {
  type: 'unspec'
}

/**
 * What the kernel reports about a link. `type` says which members it has. Use {@link jsonReplacer} to write it as
 * JSON: it has bigints.
 */
export type LinkInfo =
  | RawTracepointLinkInfo
  | TracingLinkInfo
  | CgroupLinkInfo
  | IterLinkInfo
  | NetnsLinkInfo
  | XdpLinkInfo
  | PerfEventLinkInfo
  | KprobeMultiLinkInfo
  | UprobeMultiLinkInfo
  | StructOpsLinkInfo
  | NetfilterLinkInfo
  | TcxLinkInfo
  | NetkitLinkInfo
  | SockmapLinkInfo
  | OtherLinkInfo

/**
 * Whether the interface, cgroup or network namespace of the link no longer exists, or the link was detached: the
 * kernel then reports 0 for it.
 */
export function isGone(info: LinkInfo): boolean {
  return (
    ('ifindex' in info && info.ifindex === 0) ||
    (info.type === 'cgroup' && info.cgroupId === 0n) ||
    ('netnsInode' in info && info.netnsInode === 0)
  )
}

/** BPF_PERF_EVENT_* of linux/bpf.h. */
const events = ['unspec', 'uprobe', 'uretprobe', 'kprobe', 'kretprobe', 'tracepoint', 'event'] as const

/** Replaces numbers with names. Native code has chosen the members by the type. */
export function toLinkInfo({ type, attachType, eventType, ...rest }: NativeLinkInfo): LinkInfo {
  const info: Record<string, unknown> & { type: LinkType } = { ...rest, type: linkTypeName(type) }
  if (attachType !== undefined) info.attachType = attachTypeName(attachType)
  if (eventType !== undefined) info.event = events[eventType] ?? 'unspec'
  return info as unknown as LinkInfo
}
