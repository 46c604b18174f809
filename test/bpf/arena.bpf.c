// An arena that a program writes into (test/mapped-array.test.ts). clang 16 knows no address spaces, so the
// cast is the instruction itself.
// This file declares the kfuncs that it calls: their prototypes differ from kernel to kernel.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARENA);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 4);
} arena SEC(".maps");

void* bpf_arena_alloc_pages(void* map, void* address, __u32 pages, int node, __u64 flags) __ksym __weak;

// From address space 1, the arena's, to the kernel's: BPF_ALU64 | BPF_MOV | BPF_X with an offset of 1.
#define TO_KERNEL(pointer)               \
  asm volatile(                          \
      "r1 = %[p]\n\t"                    \
      ".byte 0xbf, 0x11\n\t.short 1\n\t" \
      ".long 1\n\t%[p] = r1"             \
      : [p] "+r"(pointer)                \
      :                                  \
      : "r1")

SEC("syscall")
int fill(__u64* number) {
  __u64* page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
  if (!page) return 1;
  TO_KERNEL(page);
  page[1] = *number;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
