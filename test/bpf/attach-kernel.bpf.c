// What takes trampolines, or stands in for it (test/attach/{tracing,lsm,choose}.test.ts). iterate_dir() is
// called for each reading of a folder.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// Only what this process does is counted; 0 for all.
const volatile __u32 wanted;
__u64 runs;
__s64 argument, result;
bool refuse;

static bool is_wanted(void) { return !wanted || bpf_get_current_pid_tgid() >> 32 == wanted; }

static void count(void) {
  if (is_wanted()) __sync_fetch_and_add(&runs, 1);
}

// ---- One thing, three ways

SEC("?fentry/iterate_dir")
int BPF_PROG(by_fentry) {
  count();
  return 0;
}

SEC("?kprobe/iterate_dir")
int by_kprobe(void* ctx) {
  count();
  return 0;
}

SEC("?raw_tp/sys_enter")
int by_raw_tracepoint(void* ctx) {
  count();
  return 0;
}

SEC("?fentry/no_such_function_at_all")
int BPF_PROG(nowhere) { return 0; }

SEC("?fentry")
int BPF_PROG(somewhere) {
  count();
  return 0;
}

// ---- What the kernel has for tests: test runs call these functions

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(on_entry, int a) {
  runs++;
  argument = a;
  return 0;
}

SEC("?fexit/bpf_fentry_test1")
int BPF_PROG(on_exit, int a, int returned) {
  runs++;
  argument = a;
  result = returned;
  return 0;
}

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(on_entry_with_cookie, int a) {
  runs++;
  result = bpf_get_attach_cookie(ctx);
  return 0;
}

SEC("?fmod_ret/bpf_modify_return_test")
int BPF_PROG(instead, int a, int* b, int returned) {
  runs++;
  return 77;
}

// ---- LSM

SEC("?lsm/socket_create")
int BPF_PROG(on_socket, int family, int type, int protocol, int kern, int before) {
  if (before != 0 || kern || !is_wanted()) return before;
  runs++;
  if (!refuse) return 0;
  // Newer verifiers want to see that it's an errno, and clang would make it of `refuse`.
  int eperm = -1;
  barrier_var(eperm);
  return eperm;
}

// In a cgroup 1 is yes, 0 is no.
SEC("?lsm_cgroup/socket_bind")
int BPF_PROG(on_bind, struct socket* sock, struct sockaddr* address, int size) {
  runs++;
  return refuse ? 0 : 1;
}

char LICENSE[] SEC("license") = "GPL";
