// Static probes of programs (test/attach/usdt.test.ts).
#include "vmlinux.h"

#include <bpf/usdt.bpf.h>

__u64 runs;
__s64 number;
char text[16];
__u64 cookie;

SEC("?usdt")
int BPF_USDT(on_probe, long first, const char* second) {
  runs++;
  number = first;
  cookie = bpf_usdt_cookie(ctx);
  bpf_probe_read_user_str(text, sizeof(text), second);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
