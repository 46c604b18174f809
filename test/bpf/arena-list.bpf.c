// The same list in C as in test/compiler/maps/arena.test.ts. clang 16 knows no address spaces, so the section
// is named, and the casts are the instructions themselves.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARENA);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 8);
} arena SEC(".maps");

struct item {
  __u64 value;
  struct item* next;
};

SEC(".addr_space.1") struct item* first = 0;
SEC(".addr_space.1") struct item items[64] = {};

// BPF_ALU64 | BPF_MOV | BPF_X with an offset of 1: from address space 1, the arena's, to the kernel's, and
// back.
#define CAST(pointer, to)                  \
  ({                                       \
    typeof(pointer) cast = (pointer);      \
    asm volatile(                          \
        "r1 = %[p]\n\t"                    \
        ".byte 0xbf, 0x11\n\t.short 1\n\t" \
        ".long " to "\n\t%[p] = r1"        \
        : [p] "+r"(cast)                   \
        :                                  \
        : "r1");                           \
    cast;                                  \
  })
#define TO_KERNEL(pointer) CAST(pointer, "1")
#define TO_PROCESS(pointer) CAST(pointer, "65536")

SEC("syscall")
int build(void* ctx) {
  struct item** head = TO_KERNEL(&first);
  struct item* all = TO_KERNEL((struct item*)items);
  for (int i = 0; i < 5; i++) {
    all[i].value = i;
    all[i].next = *head;
    *head = TO_PROCESS(&all[i]);
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
