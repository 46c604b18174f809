import { native } from './binding.js'
import { type MapType, mapTypes } from './map-types.js'

/**
 * The program types of the kernel, with the names of libbpf (`libbpf_bpf_prog_type_str`). The index in the list is the
 * number.
 */
export type ProgramType = (typeof programTypes)[number]
export const programTypes = [
  'unspec',
  'socket_filter',
  'kprobe',
  'sched_cls',
  'sched_act',
  'tracepoint',
  'xdp',
  'perf_event',
  'cgroup_skb',
  'cgroup_sock',
  'lwt_in',
  'lwt_out',
  'lwt_xmit',
  'sock_ops',
  'sk_skb',
  'cgroup_device',
  'sk_msg',
  'raw_tracepoint',
  'cgroup_sock_addr',
  'lwt_seg6local',
  'lirc_mode2',
  'sk_reuseport',
  'flow_dissector',
  'cgroup_sysctl',
  'raw_tracepoint_writable',
  'cgroup_sockopt',
  'tracing',
  'struct_ops',
  'ext',
  'lsm',
  'sk_lookup',
  'syscall',
  'netfilter',
] as const

/** The attach types of the kernel, with the names of libbpf (`libbpf_bpf_attach_type_str`). */
export type AttachType = (typeof attachTypes)[number]
export const attachTypes = [
  'cgroup_inet_ingress',
  'cgroup_inet_egress',
  'cgroup_inet_sock_create',
  'cgroup_sock_ops',
  'sk_skb_stream_parser',
  'sk_skb_stream_verdict',
  'cgroup_device',
  'sk_msg_verdict',
  'cgroup_inet4_bind',
  'cgroup_inet6_bind',
  'cgroup_inet4_connect',
  'cgroup_inet6_connect',
  'cgroup_inet4_post_bind',
  'cgroup_inet6_post_bind',
  'cgroup_udp4_sendmsg',
  'cgroup_udp6_sendmsg',
  'lirc_mode2',
  'flow_dissector',
  'cgroup_sysctl',
  'cgroup_udp4_recvmsg',
  'cgroup_udp6_recvmsg',
  'cgroup_getsockopt',
  'cgroup_setsockopt',
  'trace_raw_tp',
  'trace_fentry',
  'trace_fexit',
  'modify_return',
  'lsm_mac',
  'trace_iter',
  'cgroup_inet4_getpeername',
  'cgroup_inet6_getpeername',
  'cgroup_inet4_getsockname',
  'cgroup_inet6_getsockname',
  'xdp_devmap',
  'cgroup_inet_sock_release',
  'xdp_cpumap',
  'sk_lookup',
  'xdp',
  'sk_skb_verdict',
  'sk_reuseport_select',
  'sk_reuseport_select_or_migrate',
  'perf_event',
  'trace_kprobe_multi',
  'lsm_cgroup',
  'struct_ops',
  'netfilter',
  'tcx_ingress',
  'tcx_egress',
  'trace_uprobe_multi',
  'cgroup_unix_connect',
  'cgroup_unix_sendmsg',
  'cgroup_unix_recvmsg',
  'cgroup_unix_getpeername',
  'cgroup_unix_getsockname',
  'netkit_primary',
  'netkit_peer',
  'trace_kprobe_session',
  'trace_uprobe_session',
  'trace_fsession',
] as const

/** The link types of the kernel, with the names of libbpf (`libbpf_bpf_link_type_str`). */
export type LinkType = (typeof linkTypes)[number]
export const linkTypes = [
  'unspec',
  'raw_tracepoint',
  'tracing',
  'cgroup',
  'iter',
  'netns',
  'xdp',
  'perf_event',
  'kprobe_multi',
  'struct_ops',
  'netfilter',
  'tcx',
  'uprobe_multi',
  'netkit',
  'sockmap',
] as const

/** A newer kernel can have a type that this libbpf does not know. The number is its name then. */
function nameOf<Name extends string>(name: string | undefined, value: number): Name {
  return (name ?? String(value)) as Name
}

function numberOf(what: string, names: readonly string[], name: string): number {
  const value = names.indexOf(name)
  if (value < 0) throw new TypeError(`${what} '${name}' does not exist; libbpf knows ${names.join(', ')}`)
  return value
}

export const programTypeName = (type: number): ProgramType => nameOf(native.programTypeName(type), type)
export const programTypeNumber = (name: ProgramType): number => numberOf('program type', programTypes, name)
export const mapTypeName = (type: number): MapType => nameOf(native.mapTypeName(type), type)
export const mapTypeNumber = (name: MapType): number => numberOf('map type', mapTypes, name)
export const attachTypeName = (type: number): AttachType => nameOf(native.attachTypeName(type), type)
export const attachTypeNumber = (name: AttachType): number => numberOf('attach type', attachTypes, name)
export const linkTypeName = (type: number): LinkType => nameOf(native.linkTypeName(type), type)
