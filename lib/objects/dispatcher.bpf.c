// The program that is attached in place of a replaceable one. It jumps to the program in the slot. dispatcher.ts gives
// it the section name of that program.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} slot SEC(".maps");

#define TEN "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

SEC("dispatcher" HUNDRED HUNDRED HUNDRED HUNDRED)
int dispatcher(void* context) {
  bpf_tail_call(context, &slot, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
