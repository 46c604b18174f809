// Written by scripts/kernel-words.mjs from the BTF of Linux. Do not edit.
import type { Struct } from './kernel.js'
import type { array } from './maps.js'
import type { be16, be32, Kernel, s32, u8, u16, u32, u64 } from './types.js'

/** The kernel's struct __sk_buff. */
export interface SkBuff {
  len: u32
  pkt_type: u32
  mark: u32
  queue_mapping: u32
  protocol: be16
  vlan_present: u32
  vlan_tci: u32
  vlan_proto: be16
  priority: u32
  ingress_ifindex: u32
  ifindex: u32
  tc_index: u32
  cb: array<u32, 5>
  hash: u32
  tc_classid: u32
  napi_id: u32
  family: u32
  remote_ip4: be32
  local_ip4: be32
  remote_ip6: array<be32, 4>
  local_ip6: array<be32, 4>
  remote_port: be32
  local_port: u32
  flow_keys: FlowKeys
  tstamp: u64
  wire_len: u32
  gso_segs: u32
  sk: Socket | null
  gso_size: u32
  tstamp_type: u8
  hwtstamp: u64
}

/** The kernel's struct xdp_md. */
export interface XdpFrame {
  ingress_ifindex: u32
  rx_queue_index: u32
  egress_ifindex: u32
}

/** The kernel's struct bpf_sock. */
export interface Socket {
  bound_dev_if: u32
  family: u32
  type: u32
  protocol: u32
  mark: u32
  priority: u32
  src_ip4: be32
  src_ip6: array<be32, 4>
  src_port: u32
  dst_port: be16
  dst_ip4: be32
  dst_ip6: array<be32, 4>
  state: u32
  rx_queue_mapping: s32
}

/** The kernel's struct bpf_tcp_sock. */
export interface TcpSocket {
  snd_cwnd: u32
  srtt_us: u32
  rtt_min: u32
  snd_ssthresh: u32
  rcv_nxt: u32
  snd_nxt: u32
  snd_una: u32
  mss_cache: u32
  ecn_flags: u32
  rate_delivered: u32
  rate_interval_us: u32
  packets_out: u32
  retrans_out: u32
  total_retrans: u32
  segs_in: u32
  data_segs_in: u32
  segs_out: u32
  data_segs_out: u32
  lost_out: u32
  sacked_out: u32
  bytes_received: u64
  bytes_acked: u64
  dsack_dups: u32
  delivered: u32
  delivered_ce: u32
  icsk_retransmits: u32
}

/** The kernel's struct bpf_sock_addr. */
export interface SocketAddress {
  user_family: u32
  user_ip4: be32
  user_ip6: array<be32, 4>
  user_port: be16
  family: u32
  type: u32
  protocol: u32
  msg_src_ip4: be32
  msg_src_ip6: array<be32, 4>
  sk: Socket | null
}

/** The kernel's struct bpf_sock_ops. */
export interface SocketOps {
  op: u32
  args: array<u32, 4>
  reply: u32
  replylong: array<u32, 4>
  family: u32
  remote_ip4: be32
  local_ip4: be32
  remote_ip6: array<be32, 4>
  local_ip6: array<be32, 4>
  remote_port: be32
  local_port: u32
  is_fullsock: u32
  snd_cwnd: u32
  srtt_us: u32
  bpf_sock_ops_cb_flags: u32
  state: u32
  rtt_min: u32
  snd_ssthresh: u32
  rcv_nxt: u32
  snd_nxt: u32
  snd_una: u32
  mss_cache: u32
  ecn_flags: u32
  rate_delivered: u32
  rate_interval_us: u32
  packets_out: u32
  retrans_out: u32
  total_retrans: u32
  segs_in: u32
  data_segs_in: u32
  segs_out: u32
  data_segs_out: u32
  lost_out: u32
  sacked_out: u32
  sk_txhash: u32
  bytes_received: u64
  bytes_acked: u64
  sk: Socket | null
  skb_len: u32
  skb_tcp_flags: u32
  skb_hwtstamp: u64
}

/** The kernel's struct sk_msg_md. */
export interface SocketMessage {
  family: u32
  remote_ip4: be32
  local_ip4: be32
  remote_ip6: array<be32, 4>
  local_ip6: array<be32, 4>
  remote_port: be32
  local_port: u32
  size: u32
  sk: Socket | null
}

/** The kernel's struct bpf_sk_lookup. */
export interface SocketLookup {
  sk: Socket | null
  cookie: u64
  family: u32
  protocol: u32
  remote_ip4: be32
  remote_ip6: array<be32, 4>
  remote_port: be16
  local_ip4: be32
  local_ip6: array<be32, 4>
  local_port: u32
  ingress_ifindex: u32
}

/** The kernel's struct sk_reuseport_md. */
export interface ReuseportPacket {
  len: u32
  eth_protocol: be16
  ip_protocol: u32
  bind_inany: u32
  hash: u32
  sk: Socket | null
  migrating_sk: Socket | null
}

/** The kernel's struct bpf_sysctl. */
export interface Sysctl {
  write: u32
  file_pos: u32
}

/** The kernel's struct bpf_cgroup_dev_ctx. */
export interface DeviceAccess {
  access_type: u32
  major: u32
  minor: u32
}

/** The kernel's struct bpf_sockopt. */
export interface SocketOption {
  sk: Socket | null
  level: s32
  optname: s32
  optlen: s32
  retval: s32
}

/** The kernel's struct bpf_perf_event_data. */
export interface PerfSample {
  regs: Kernel
  sample_period: u64
  addr: u64
}

/** The kernel's struct bpf_nf_ctx. */
export interface NetfilterContext {
  state: Struct<'nf_hook_state'>
  skb: Struct<'sk_buff'>
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
