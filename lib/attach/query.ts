import type { NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { type AttachType, attachTypeNumber } from '../native/type-names.js'
import { withFd } from './file.js'
import { type Interface, interfaceIndex } from './interface.js'
import { whyNoReceiver } from './lirc.js'

/** The programs that are attached to one hook. */
export interface Attached {
  /** The programs, in the order in which they run. */
  programs: { programId: number; linkId: number | undefined }[]
  /**
   * Changes whenever the list changes; see {@link AnchorOptions.revision}. 0n if the kernel has no revisions for this
   * hook.
   */
  revision: bigint
  /** For cgroups: the BPF_F_ALLOW_* flags that the programs were attached with. */
  attachFlags: number
}

const BPF_F_QUERY_EFFECTIVE = 1 << 0

/** Lists the TCX programs of an interface. (`bpf_prog_query_opts`, Linux 6.6) */
export function queryTcx(of: Interface, direction: 'ingress' | 'egress'): Attached {
  return query(interfaceIndex(of), `tcx_${direction}`, String(of), 0)
}

/** Lists the programs of a netkit device. (`bpf_prog_query_opts`, Linux 6.7) */
export function queryNetkit(of: Interface, side: 'primary' | 'peer'): Attached {
  return query(interfaceIndex(of), `netkit_${side}`, String(of), 0)
}

/**
 * Lists the programs of a cgroup. (`bpf_prog_query_opts`, Linux 4.15)
 *
 * @param cgroup - the folder of the cgroup, or a descriptor of it
 * @param options - `effective`: also lists the programs of parent cgroups that run there
 */
export function queryCgroup(
  cgroup: string | number,
  type: AttachType,
  { effective = false }: { effective?: boolean } = {},
): Attached {
  const flags = effective ? BPF_F_QUERY_EFFECTIVE : 0
  return withFd(cgroup, `query ${type} of ${cgroup}`, (fd) => query(fd, type, String(cgroup), flags))
}

/** Lists the programs of a network namespace. (`bpf_prog_query_opts`, Linux 5.8, `sk_lookup` 5.9) */
export function queryNetns(netns: string | number, type: 'sk_lookup' | 'flow_dissector'): Attached {
  return withFd(netns, `query ${type} of ${netns}`, (fd) => query(fd, type, String(netns), 0))
}

/** Lists the programs of a sockmap or sockhash. (`bpf_prog_query_opts`, Linux 5.18) */
export function querySockmap(
  map: BpfMap<unknown, unknown>,
  type: 'sk_skb_stream_parser' | 'sk_skb_stream_verdict' | 'sk_skb_verdict' | 'sk_msg_verdict',
): Attached {
  return query(map.fd, type, `map '${map.name}'`, 0)
}

/**
 * Lists the programs of an infrared receiver. (`bpf_prog_query_opts`, Linux 4.18)
 *
 * @param device - its file, such as '/dev/lirc0', or a descriptor of it
 */
export function queryLirc(device: string | number): Attached {
  return withFd(device, `query lirc_mode2 of ${device}`, (fd) =>
    query(fd, 'lirc_mode2', String(device), 0, whyNoReceiver),
  )
}

function query(
  target: number,
  type: AttachType,
  name: string,
  flags: number,
  reason?: (error: NativeError) => string | undefined,
): Attached {
  const withLinks = /^(tcx|netkit)_/.test(type)
  const number = attachTypeNumber(type)
  const { programIds, linkIds, revision, attachFlags } = attempt(
    { what: `query ${type} of ${name}`, target: name, reason, capabilities: () => ['CAP_NET_ADMIN'] },
    () => native.queryAttached(target, number, flags, withLinks),
  )
  const programs = programIds.map((programId, i) => ({ programId, linkId: linkIds[i] || undefined }))
  return { programs, revision, attachFlags }
}
