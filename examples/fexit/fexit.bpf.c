// Reports files that could not be opened: fexit programs see the arguments of a function and its result.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct failure {
  __u32 pid;
  char comm[16];
  __s64 error;
  char path[256];
};
struct failure* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 18);
} failures SEC(".maps");

SEC("fexit")
int BPF_PROG(on_opened, int folder, struct filename* name, const void* flags, long file) {
  // Pointers in this range are errors.
  if (file >= 0 || file < -4095) return 0;
  struct failure* failure = bpf_ringbuf_reserve(&failures, sizeof(*failure), 0);
  if (!failure) return 0;
  failure->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(failure->comm, sizeof(failure->comm));
  failure->error = file;
  bpf_probe_read_kernel_str(failure->path, sizeof(failure->path), name->name);
  bpf_ringbuf_submit(failure, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
