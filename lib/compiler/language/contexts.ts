// Written by scripts/kernel-words.mjs from the BTF of Linux. Do not edit.
import type { Struct } from './kernel.js'
import type { array } from './maps.js'
import type { be16, be32, Kernel, s32, u8, u16, u32, u64 } from './types.js'

/** The kernel's struct __sk_buff. */
export interface SkBuff {
  readonly len: u32
  readonly pkt_type: u32
  mark: u32
  queue_mapping: u32
  readonly protocol: be16
  readonly vlan_present: u32
  readonly vlan_tci: u32
  readonly vlan_proto: be16
  priority: u32
  readonly ingress_ifindex: u32
  readonly ifindex: u32
  tc_index: u32
  cb: array<u32, 5>
  readonly hash: u32
  tc_classid: u32
  readonly napi_id: u32
  readonly family: u32
  readonly remote_ip4: be32
  readonly local_ip4: be32
  readonly remote_ip6: array<be32, 4>
  readonly local_ip6: array<be32, 4>
  readonly remote_port: be32
  readonly local_port: u32
  readonly flow_keys: FlowKeys
  tstamp: u64
  readonly wire_len: u32
  readonly gso_segs: u32
  readonly sk: Socket | null
  readonly gso_size: u32
  readonly tstamp_type: u8
  readonly hwtstamp: u64
}

/** The kernel's struct xdp_md. */
export interface XdpFrame {
  readonly ingress_ifindex: u32
  readonly rx_queue_index: u32
  readonly egress_ifindex: u32
}

/** The kernel's struct bpf_sock. */
export interface Socket {
  bound_dev_if: u32
  readonly family: u32
  readonly type: u32
  readonly protocol: u32
  mark: u32
  priority: u32
  readonly src_ip4: be32
  readonly src_ip6: array<be32, 4>
  readonly src_port: u32
  readonly dst_port: be16
  readonly dst_ip4: be32
  readonly dst_ip6: array<be32, 4>
  readonly state: u32
  readonly rx_queue_mapping: s32
}

/** The kernel's struct bpf_tcp_sock. */
export interface TcpSocket {
  readonly snd_cwnd: u32
  readonly srtt_us: u32
  readonly rtt_min: u32
  readonly snd_ssthresh: u32
  readonly rcv_nxt: u32
  readonly snd_nxt: u32
  readonly snd_una: u32
  readonly mss_cache: u32
  readonly ecn_flags: u32
  readonly rate_delivered: u32
  readonly rate_interval_us: u32
  readonly packets_out: u32
  readonly retrans_out: u32
  readonly total_retrans: u32
  readonly segs_in: u32
  readonly data_segs_in: u32
  readonly segs_out: u32
  readonly data_segs_out: u32
  readonly lost_out: u32
  readonly sacked_out: u32
  readonly bytes_received: u64
  readonly bytes_acked: u64
  readonly dsack_dups: u32
  readonly delivered: u32
  readonly delivered_ce: u32
  readonly icsk_retransmits: u32
}

/** The kernel's struct bpf_sock_addr. */
export interface SocketAddress {
  readonly user_family: u32
  user_ip4: be32
  user_ip6: array<be32, 4>
  user_port: be16
  readonly family: u32
  readonly type: u32
  readonly protocol: u32
  msg_src_ip4: be32
  msg_src_ip6: array<be32, 4>
  readonly sk: Socket | null
}

/** The kernel's struct bpf_sock_ops. */
export interface SocketOps {
  readonly op: u32
  readonly args: array<u32, 4>
  reply: u32
  readonly replylong: array<u32, 4>
  readonly family: u32
  readonly remote_ip4: be32
  readonly local_ip4: be32
  readonly remote_ip6: array<be32, 4>
  readonly local_ip6: array<be32, 4>
  readonly remote_port: be32
  readonly local_port: u32
  readonly is_fullsock: u32
  readonly snd_cwnd: u32
  readonly srtt_us: u32
  readonly bpf_sock_ops_cb_flags: u32
  readonly state: u32
  readonly rtt_min: u32
  readonly snd_ssthresh: u32
  readonly rcv_nxt: u32
  readonly snd_nxt: u32
  readonly snd_una: u32
  readonly mss_cache: u32
  readonly ecn_flags: u32
  readonly rate_delivered: u32
  readonly rate_interval_us: u32
  readonly packets_out: u32
  readonly retrans_out: u32
  readonly total_retrans: u32
  readonly segs_in: u32
  readonly data_segs_in: u32
  readonly segs_out: u32
  readonly data_segs_out: u32
  readonly lost_out: u32
  readonly sacked_out: u32
  sk_txhash: u32
  readonly bytes_received: u64
  readonly bytes_acked: u64
  readonly sk: Socket | null
  readonly skb_len: u32
  readonly skb_tcp_flags: u32
  readonly skb_hwtstamp: u64
}

/** The kernel's struct sk_msg_md. */
export interface SocketMessage {
  readonly family: u32
  readonly remote_ip4: be32
  readonly local_ip4: be32
  readonly remote_ip6: array<be32, 4>
  readonly local_ip6: array<be32, 4>
  readonly remote_port: be32
  readonly local_port: u32
  readonly size: u32
  readonly sk: Socket | null
}

/** The kernel's struct bpf_sk_lookup. */
export interface SocketLookup {
  readonly sk: Socket | null
  readonly cookie: u64
  readonly family: u32
  readonly protocol: u32
  readonly remote_ip4: be32
  readonly remote_ip6: array<be32, 4>
  readonly remote_port: be16
  readonly local_ip4: be32
  readonly local_ip6: array<be32, 4>
  readonly local_port: u32
  readonly ingress_ifindex: u32
}

/** The kernel's struct sk_reuseport_md. */
export interface ReuseportPacket {
  readonly len: u32
  readonly eth_protocol: be16
  readonly ip_protocol: u32
  readonly bind_inany: u32
  readonly hash: u32
  readonly sk: Socket | null
  readonly migrating_sk: Socket | null
}

/** The kernel's struct bpf_sysctl. */
export interface Sysctl {
  readonly write: u32
  file_pos: u32
}

/** The kernel's struct bpf_cgroup_dev_ctx. */
export interface DeviceAccess {
  readonly access_type: u32
  readonly major: u32
  readonly minor: u32
}

/** The kernel's struct bpf_sockopt. */
export interface SocketOption {
  readonly sk: Socket | null
  level: s32
  optname: s32
  optlen: s32
  retval: s32
}

/** The kernel's struct bpf_perf_event_data. */
export interface PerfSample {
  readonly regs: Kernel
  readonly sample_period: u64
  readonly addr: u64
}

/** The kernel's struct bpf_nf_ctx. */
export interface NetfilterContext {
  readonly state: Struct<'nf_hook_state'>
  readonly skb: Struct<'sk_buff'>
}

/** The kernel's struct bpf_flow_keys. */
export interface FlowKeys {
  nhoff: u16
  thoff: u16
  addr_proto: u16
  is_frag: u8
  is_first_frag: u8
  is_encap: u8
  ip_proto: u8
  n_proto: be16
  sport: be16
  dport: be16
  ipv4_src: be32
  ipv4_dst: be32
  ipv6_src: array<u32, 4>
  ipv6_dst: array<u32, 4>
  flags: u32
  flow_label: be32
}
