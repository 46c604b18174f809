// Keeps the first bytes of packets from or to a port: TCP or UDP over IPv4 without options, or IPv6.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

// 0 for all packets.
const volatile __u16 port;
const volatile __u32 bytes_kept = 65535;

static int is_wanted(__u8 protocol, __u16 from, __u16 to) {
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return 0;
  return bpf_ntohs(from) == port || bpf_ntohs(to) == port;
}

SEC("socket")
int by_port(struct __sk_buff* skb) {
  if (port == 0) return bytes_kept;
  __u16 protocol, ports[2];
  __u8 next;
  if (bpf_skb_load_bytes(skb, 12, &protocol, sizeof(protocol)) < 0) return 0;
  int is_ipv4 = protocol == bpf_htons(ETH_P_IP);
  if (!is_ipv4 && protocol != bpf_htons(ETH_P_IPV6)) return 0;
  if (bpf_skb_load_bytes(skb, is_ipv4 ? 14 + 9 : 14 + 6, &next, sizeof(next)) < 0) return 0;
  if (bpf_skb_load_bytes(skb, is_ipv4 ? 14 + 20 : 14 + 40, ports, sizeof(ports)) < 0) return 0;
  // The number that is returned is how many bytes the socket gets.
  return is_wanted(next, ports[0], ports[1]) ? bytes_kept : 0;
}

char LICENSE[] SEC("license") = "GPL";
