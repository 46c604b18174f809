import type { LinkInfo as NativeLinkInfo } from '../../types/binding.js'
import { type AttachType, attachTypeName, type LinkType, linkTypeName } from '../native/type-names.js'

interface Common {
  id: number
  programId: number
}

/** A number or name that this kernel may be too old to tell: then it's 0, or empty. */
interface WithCookie {
  /** What `bpf_get_attach_cookie()` returns in the program; 0n for none. */
  cookie: bigint
}

export interface RawTracepointLinkInfo extends Common, WithCookie {
  type: 'raw_tracepoint'
  /** The tracepoint's. */
  name: string
}

/** fentry, fexit, fmod_ret, tp_btf, LSM, freplace. */
export interface TracingLinkInfo extends Common, WithCookie {
  type: 'tracing'
  attachType: AttachType
  /** The program, or the BTF object, attached to, and the type in it. */
  targetObjectId: number
  targetBtfId: number
}

export interface CgroupLinkInfo extends Common {
  type: 'cgroup'
  /** The inode of its folder. */
  cgroupId: bigint
  attachType: AttachType
}

export interface IterLinkInfo extends Common {
  type: 'iter'
  /** What it goes over, such as 'task' or 'bpf_map_elem'. */
  name: string
  /** Over the elements of a map. */
  mapId?: number
  /** Over cgroups. */
  cgroupId?: bigint
  order?: number
  /** Over tasks: which; 0 for all. */
  tid?: number
  pid?: number
}

export interface NetnsLinkInfo extends Common {
  type: 'netns'
  /** The inode of /proc/PID/ns/net. */
  netnsInode: number
  attachType: AttachType
}

export interface XdpLinkInfo extends Common {
  type: 'xdp'
  /** 0 when the interface is gone. */
  ifindex: number
}

/** kprobe, uprobe, tracepoint and perf events. (Linux 6.6; before, `event` is 'unspec') */
export type PerfEventLinkInfo = Common & { type: 'perf_event' } & (
    | { event: 'unspec' }
    | ({
        event: 'uprobe' | 'uretprobe'
        /** The file. */
        name: string
        /** Bytes from its beginning. */
        offset: number
        refCtrOffset: bigint
      } & WithCookie)
    | ({
        event: 'kprobe' | 'kretprobe'
        /** The function. */
        name: string
        /** Bytes from its beginning. */
        offset: number
        /** 0n for who may not see it. */
        address: bigint
        /** How often it could not run. */
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

/** (Linux 6.6; before, `count` is 0) */
export interface KprobeMultiLinkInfo extends Common {
  type: 'kprobe_multi'
  count: number
  /** BPF_F_KPROBE_MULTI_RETURN is 1. */
  flags: number
  /** How often it could not run. */
  missed: bigint
  /** 0n for who may not see them. */
  addresses: BigUint64Array
  cookies: BigUint64Array
}

/** (Linux 6.8; before, `count` is 0) */
export interface UprobeMultiLinkInfo extends Common {
  type: 'uprobe_multi'
  path: string
  count: number
  /** BPF_F_UPROBE_MULTI_RETURN is 1. */
  flags: number
  /** 0 for all processes. */
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
  /** 0 when the interface is gone. */
  ifindex: number
  attachType: AttachType
}

export interface NetkitLinkInfo extends Common {
  type: 'netkit'
  /** 0 when the interface is gone. */
  ifindex: number
  attachType: AttachType
}

export interface SockmapLinkInfo extends Common {
  type: 'sockmap'
  mapId: number
  attachType: AttachType
}

/** A kind that this version does not know. */
export interface OtherLinkInfo extends Common {
  type: 'unspec'
}

/** What the kernel says of a link; `type` says which kind it is. */
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

/** Whether the interface, cgroup or network namespace of the link no longer exists, or the link was detached: the kernel then reports 0 for it. */
export function isGone(info: LinkInfo): boolean {
  return (
    ('ifindex' in info && info.ifindex === 0) ||
    (info.type === 'cgroup' && info.cgroupId === 0n) ||
    ('netnsInode' in info && info.netnsInode === 0)
  )
}

/** BPF_PERF_EVENT_* of linux/bpf.h. */
const events = ['unspec', 'uprobe', 'uretprobe', 'kprobe', 'kretprobe', 'tracepoint', 'event'] as const

/** Numbers become names; which members there are native code has decided by the type. */
export function toLinkInfo({ type, attachType, eventType, ...rest }: NativeLinkInfo): LinkInfo {
  const info: Record<string, unknown> & { type: LinkType } = { ...rest, type: linkTypeName(type) }
  if (attachType !== undefined) info.attachType = attachTypeName(attachType)
  if (eventType !== undefined) info.event = events[eventType] ?? 'unspec'
  return info as unknown as LinkInfo
}
