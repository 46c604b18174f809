// Every kind of value that can be logged (test/log/log-to.test.ts).
#include "vmlinux.h"
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

LIBBPF_NODE_LOGS(1 << 18);

enum color { RED, GREEN };
struct pair {
  __u32 first;
  __u64 second;
};

static __always_inline void inlined(int number) { libbpf_node_log(warn, "inlined %d", number); }

SEC("raw_tp/sched_process_exec")
int every_level(void* ctx) {
  libbpf_node_log(trace, "at %s", "trace");
  libbpf_node_log(debug, "at debug");
  libbpf_node_log(info, "at info");
  libbpf_node_log(warn, "at warn");
  libbpf_node_log(error, "at error");
  libbpf_node_log(fatal, "at fatal");
  return 0;
}

SEC("raw_tp/sched_process_exec")
int every_kind(void* ctx) {
  char comm[16];
  __u8 mac[6] = {1, 2, 3, 4, 5, 6};
  enum color color = GREEN;
  struct pair pair = {7, 1ULL << 60};
  bool yes = true;
  const char* text = "behind a pointer";
  bpf_get_current_comm(comm, sizeof(comm));
  libbpf_node_log(error, "%s: %s, %d%%, %llx, %-4u|%c", comm, text, -5, 1ULL << 40, pair.first, 'x', mac,
                  pair, color, yes, (__u16)bpf_get_smp_processor_id());
  inlined(-1);
  return 0;
}

SEC("raw_tp/sched_process_exec")
int unmentioned(void* ctx) {
  __u64 number = ~0ULL;
  struct {
    int low : 4;
  } bits = {5};
  libbpf_node_log(info, "50%% done", number, +bits.low);
  libbpf_node_log(info, "in vain: %s", libbpf_node_user(8));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
