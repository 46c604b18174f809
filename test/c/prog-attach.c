// Attaches a pinned program with BPF_PROG_ATTACH, which makes no link: PIN TARGET TYPE, as numbers but for
// the pin.
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof(attr));
  attr.pathname = (uintptr_t)argv[1];
  int fd = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
  if (fd < 0) return perror("BPF_OBJ_GET"), 1;
  memset(&attr, 0, sizeof(attr));
  // Also the index of an interface.
  attr.target_fd = atoi(argv[2]);
  attr.attach_bpf_fd = fd;
  attr.attach_type = atoi(argv[3]);
  if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) != 0) return perror("BPF_PROG_ATTACH"), 1;
  return 0;
}
