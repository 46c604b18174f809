// Programs that the verifier rejects, each for a reason of its own. test/errors/refused.test.ts loads them
// one at a time and has the reasons.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(map_flags, BPF_F_RDONLY_PROG);
  __type(key, __u32);
  __type(value, __u64);
} frozen SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} tail_calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct counter {
  struct bpf_spin_lock lock;
  __u32 count;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct counter);
} locked SEC(".maps");

#define REFUSED(section, name, code)                                                                 \
  SEC("?" section) __attribute__((naked)) int name(void) {                                           \
    asm volatile(code                                                                                \
                 :                                                                                   \
                 : [array] "i"(&array), [hash] "i"(&hash), [frozen] "i"(&frozen), [ring] "i"(&ring), \
                   [tail_calls] "i"(&tail_calls), [locked] "i"(&locked));                            \
  }

// Helpers are called by their numbers in enum bpf_func_id.
#define LOOK_UP(map) \
  "r1 = 0; *(u32 *)(r10 - 4) = r1; r2 = r10; r2 += -4; r1 = %[" map "] ll; call 1 /* map_lookup_elem */;"
#define FOUND_IN(map) LOOK_UP(map) "if r0 == 0 goto 9f;"
#define PACKET "r2 = *(u32 *)(r1 + 76); r3 = *(u32 *)(r1 + 80);"  // data and data_end of __sk_buff
#define CHECKED_PACKET PACKET "r4 = r2; r4 += 14; if r4 > r3 goto 9f;"
#define FIND_SOCKET                                                                      \
  "r6 = r1; r1 = 0; *(u64 *)(r10 - 8) = r1; *(u64 *)(r10 - 16) = r1; r1 = r6; r2 = r10;" \
  "r2 += -16; r3 = 12; r4 = -1; r5 = 0; call 84 /* sk_lookup_tcp */;"
#define RELEASE(reg) "r1 = " reg "; call 86 /* sk_release */;"
#define RESERVE "r1 = %[ring] ll; r2 = 8; r3 = 0; call 131 /* ringbuf_reserve */;"
#define SUBMIT(reg) "r1 = " reg "; r2 = 0; call 132 /* ringbuf_submit */;"
#define LOCK FOUND_IN("locked") "r6 = r0; r1 = r0; call 93 /* spin_lock */;"
#define UNLOCK "r1 = r6; call 94 /* spin_unlock */;"
#define END "9: r0 = 0; exit;"

// clang-format off


// ---- Instructions

REFUSED("socket", uninitialized_register, "r0 = r2; exit;")
REFUSED("socket", uninitialized_result, "exit;")
REFUSED("socket", register_lost_in_call, "r6 = r1; call 7; r0 = r1; exit;")
REFUSED("socket", no_exit, "r0 = 0;")
REFUSED("socket", unreachable, "r0 = 0; exit; r0 = 1; exit;")
REFUSED("socket", jump_out_of_range, "r0 = 0; goto +100; exit;")
REFUSED("socket", unknown_opcode, ".8byte 0xff; r0 = 0; exit;")
REFUSED("socket", invalid_register, ".8byte 0xb0bf; r0 = 0; exit;")
REFUSED("socket", reserved_field, ".8byte 0x100bf; r0 = 0; exit;")
REFUSED("socket", frame_pointer_write, "r10 = 0; r0 = 0; exit;")
REFUSED("socket", division_by_zero, "r0 = 1; r0 /= 0; exit;")
REFUSED("socket", shift_too_far, "r0 = 1; r0 <<= 64; exit;")
REFUSED("socket", endless_jump, "r0 = 0; 1: goto 1b;")
REFUSED("socket", endless_loop, "r6 = 0; 1: call 7; if r6 != 5 goto 1b; r0 = 0; exit;")

// ---- Pointers

REFUSED("socket", pointer_multiplied, "r1 *= 2; r0 = 0; exit;")
REFUSED("socket", pointer_plus_pointer, "r2 = r10; r2 += r1; r0 = 0; exit;")
REFUSED("socket", pointer_in_32_bits, "w1 += 1; r0 = 0; exit;")
REFUSED("socket", scalar_minus_pointer, "r0 = 1; r0 -= r1; exit;")
REFUSED("socket", scalar_as_pointer, "r1 = 1; r0 = *(u64 *)(r1 + 0); exit;")
REFUSED("socket", stack_below, "r0 = *(u64 *)(r10 - 520); exit;")
REFUSED("socket", stack_above, "r1 = 0; *(u64 *)(r10 + 8) = r1; r0 = 0; exit;")
REFUSED("socket", stack_misaligned, "r1 = 0; *(u64 *)(r10 - 12) = r1; r0 = 0; exit;")
REFUSED("socket", stack_variable, "r2 = *(u32 *)(r1 + 0); r2 += r10; r0 = *(u8 *)(r2 - 8); exit;")
REFUSED("socket", stack_partial_fill, "*(u64 *)(r10 - 8) = r10; r0 = *(u32 *)(r10 - 8); exit;")
REFUSED("socket", context_write, "r2 = 1; *(u32 *)(r1 + 0) = r2; r0 = 0; exit;")
REFUSED("socket", context_beyond, "r0 = *(u32 *)(r1 + 1000); exit;")
REFUSED("raw_tp/sys_enter", context_moved, "r2 = *(u64 *)(r1 + 8); r1 += r2; r0 = *(u64 *)(r1 + 0); exit;")
REFUSED("socket", context_atomic, "r2 = 1; lock *(u32 *)(r1 + 0) += r2; r0 = 0; exit;")

// ---- Maps

REFUSED("socket", value_or_null, LOOK_UP("hash") "r0 = *(u64 *)(r0 + 0); exit;")
REFUSED("socket", value_or_null_moved, LOOK_UP("hash") "r0 += 4; r0 = 0; exit;")
REFUSED("socket", value_beyond, FOUND_IN("hash") "r1 = *(u64 *)(r0 + 8);" END)
REFUSED("socket", value_before, FOUND_IN("hash") "r1 = *(u64 *)(r0 - 8);" END)
REFUSED("socket", value_index_unbounded, "r6 = *(u32 *)(r1 + 0);" FOUND_IN("hash") "r0 += r6; r1 = *(u8 *)(r0 + 0);" END)
REFUSED("socket", value_index_too_large, "r6 = *(u32 *)(r1 + 0);" FOUND_IN("hash") "r6 &= 15; r0 += r6; r1 = *(u8 *)(r0 + 0);" END)
REFUSED("socket", value_index_signed, "r6 = *(u32 *)(r1 + 0); r6 <<= 32; r6 s>>= 32;" FOUND_IN("hash")
        "if r6 s> 7 goto 9f; r0 += r6; r1 = *(u8 *)(r0 + 0);" END)
REFUSED("raw_tp/sys_enter", value_index_any, "r6 = *(u64 *)(r1 + 8);" FOUND_IN("hash") "r0 += r6; r1 = *(u8 *)(r0 + 0);" END)
REFUSED("socket", value_moved_far, FOUND_IN("hash") "r0 += 0x20000000; r1 = *(u8 *)(r0 + 0);" END)
REFUSED("socket", value_misaligned_atomic, FOUND_IN("hash") "r2 = 1; lock *(u64 *)(r0 + 2) += r2;" END)
REFUSED("socket", map_write, "r1 = %[hash] ll; r2 = 0; *(u64 *)(r1 + 0) = r2; r0 = 0; exit;")
REFUSED("socket", map_moved, "r1 = %[hash] ll; r1 += 8; r0 = 0; exit;")
REFUSED("socket", read_only_map, FOUND_IN("frozen") "r1 = 1; *(u64 *)(r0 + 0) = r1;" END)
REFUSED("socket", map_of_other_type, LOOK_UP("tail_calls") "r0 = 0; exit;")
REFUSED("socket", tail_call_through_array, "r2 = %[array] ll; r3 = 0; call 12; r0 = 0; exit;")

// ---- Arguments of helpers

REFUSED("socket", map_expected, "call 1; exit;")
REFUSED("socket", key_expected, "r2 = 1; r1 = %[hash] ll; call 1; r0 = 0; exit;")
REFUSED("socket", key_beyond_stack, "r2 = r10; r2 += -2; r1 = %[hash] ll; call 1; r0 = 0; exit;")
REFUSED("socket", key_beyond_value, FOUND_IN("hash") "r2 = r0; r2 += 6; r1 = %[hash] ll; call 1;" END)
REFUSED("raw_tp/sys_enter", helper_for_other_map, "r6 = r1; r1 = 0; *(u64 *)(r10 - 8) = r1; r1 = r6; r2 = %[array] ll; r3 = 0;"
        "r4 = r10; r4 += -8; r5 = 8; call 25 /* perf_event_output */; r0 = 0; exit;")
REFUSED("socket", helper_unknown, "call 9999; r0 = 0; exit;")
REFUSED("socket", helper_of_other_type, "call 65 /* xdp_adjust_tail */; r0 = 0; exit;")
REFUSED("raw_tp/sys_enter", size_any, "r2 = *(u64 *)(r1 + 8); r3 = 0; r1 = r10; r1 += -8; call 113 /* probe_read_kernel */;"
        "r0 = 0; exit;")
REFUSED("socket", size_unbounded, "r4 = *(u32 *)(r1 + 0); r2 = 0; r3 = r10; r3 += -8; call 26 /* skb_load_bytes */; r0 = 0; exit;")
REFUSED("raw_tp/sys_enter", size_negative, "r2 = *(u64 *)(r1 + 8); r2 s>>= 60; r1 = r10; r1 += -16; r3 = 0; call 113; r0 = 0; exit;")
REFUSED("raw_tp/sys_enter", size_too_large, "r1 = r10; r1 += -8; r2 = 16; r3 = 0; call 113; r0 = 0; exit;")
REFUSED("raw_tp/sys_enter", size_zero, "r1 = r10; r1 += -16; r2 = 0; call 16 /* get_current_comm */; r0 = 0; exit;")
REFUSED("raw_tp/sys_enter", size_of_value, FOUND_IN("hash") "r1 = r0; r2 = 16; r3 = 0; call 113;" END)
REFUSED("tp_btf/sched_process_exec", sleeping_helper, "r1 = r10; r1 += -8; r2 = 8; r3 = 0; call 148 /* copy_from_user */; r0 = 0; exit;")

// ---- Packets

REFUSED("tc", packet_unchecked, "r2 = *(u32 *)(r1 + 76); r0 = *(u8 *)(r2 + 0); exit;")
REFUSED("tc", packet_beyond, CHECKED_PACKET "r0 = *(u32 *)(r2 + 14);" END)
REFUSED("tc", packet_variable, "r5 = *(u32 *)(r1 + 0);" CHECKED_PACKET "r2 += r5; r0 = *(u8 *)(r2 + 0);" END)
REFUSED("tc", packet_end_moved, PACKET "r3 += 8; r0 = 0; exit;")
REFUSED("tc", packet_lost, "r6 = r1;" CHECKED_PACKET "r7 = r2; r2 = 100; r3 = 0; r1 = r6; call 38 /* skb_change_tail */;"
        "r0 = *(u8 *)(r7 + 0);" END)
REFUSED("cgroup_skb/egress", packet_read_only, CHECKED_PACKET "r5 = 0; *(u8 *)(r2 + 0) = r5; 9: r0 = 1; exit;")
REFUSED("xdp", packet_by_ld_abs, "r6 = r1; r0 = *(u8 *)skb[0]; exit;")

// ---- References, ring buffers and locks

REFUSED("tc", reference_kept, FIND_SOCKET "r0 = 0; exit;")
REFUSED("tc", reference_kept_if_found, FIND_SOCKET "if r0 == 0 goto 9f; r0 = 1; exit;" END)
REFUSED("tc", reference_or_null_released, FIND_SOCKET RELEASE("r0") "r0 = 0; exit;")
REFUSED("tc", reference_released_twice, FIND_SOCKET "if r0 == 0 goto 9f; r7 = r0;" RELEASE("r7") RELEASE("r7") END)
REFUSED("tc", reference_used_after_release, FIND_SOCKET "if r0 == 0 goto 9f; r7 = r0;" RELEASE("r7") "r0 = *(u32 *)(r7 + 4);" END)
REFUSED("socket", record_kept, RESERVE "r0 = 0; exit;")
REFUSED("socket", record_or_null, RESERVE "r1 = 1; *(u64 *)(r0 + 0) = r1; r0 = 0; exit;")
REFUSED("socket", record_beyond, RESERVE "if r0 == 0 goto 9f; r1 = 1; *(u64 *)(r0 + 8) = r1;" SUBMIT("r0") END)
REFUSED("socket", record_before, RESERVE "if r0 == 0 goto 9f; r1 = 1; *(u8 *)(r0 - 1) = r1;" SUBMIT("r0") END)
REFUSED("socket", record_submitted_twice, RESERVE "if r0 == 0 goto 9f; r6 = r0;" SUBMIT("r6") SUBMIT("r6") END)
REFUSED("raw_tp/sys_enter", record_size_unknown, "r2 = *(u64 *)(r1 + 8); r1 = %[ring] ll; r3 = 0; call 131; r0 = 0; exit;")
REFUSED("tc", lock_kept, LOCK END)
REFUSED("tc", lock_taken_twice, LOCK "r1 = r6; call 93;" END)
REFUSED("tc", lock_held_in_call, LOCK "call 7;" UNLOCK END)
REFUSED("tc", lock_not_taken, FOUND_IN("locked") "r6 = r0;" UNLOCK END)
REFUSED("tc", lock_read_directly, FOUND_IN("locked") "r1 = *(u32 *)(r0 + 0);" END)

// ---- Results and kernel types

REFUSED("cgroup_skb/ingress", result_out_of_range, "r0 = 5; exit;")
REFUSED("cgroup/sock_create", result_unknown, "call 7; exit;")
REFUSED("cgroup_skb/ingress", result_pointer, "r0 = r1; exit;")
REFUSED("tp_btf/sched_process_exec", struct_beyond, "r1 = *(u64 *)(r1 + 0); r0 = *(u64 *)(r1 + 32760); r0 = 0; exit;")
REFUSED("tp_btf/sched_process_exec", struct_before, "r1 = *(u64 *)(r1 + 0); r0 = *(u64 *)(r1 - 8); r0 = 0; exit;")
REFUSED("tp_btf/sched_process_exec", struct_write, "r1 = *(u64 *)(r1 + 0); r2 = 0; *(u64 *)(r1 + 0) = r2; r0 = 0; exit;")
REFUSED("tp_btf/sched_process_exec", argument_beyond, "r0 = *(u64 *)(r1 + 72); r0 = 0; exit;")
REFUSED("tp_btf/sched_process_exec", argument_misaligned, "r0 = *(u32 *)(r1 + 4); r0 = 0; exit;")

// clang-format on

// ---- Functions

static __attribute__((noinline)) int deep(int n) {
  volatile char room[300] = {};
  room[n & 255] = 1;
  return room[0];
}

SEC("?socket")
int stacks_too_large(struct __sk_buff* skb) {
  volatile char room[300] = {};
  room[skb->len & 255] = 1;
  return deep(skb->len) + room[0];
}

#define FRAME(name, next)                            \
  static __attribute__((noinline)) int name(int n) { \
    asm volatile("" : "+r"(n));                      \
    return next(n) + 1;                              \
  }
// Four frames that end in one of the same letter.
#define FRAMES(letter, next)  \
  FRAME(letter##4, next)      \
  FRAME(letter##3, letter##4) \
  FRAME(letter##2, letter##3) \
  FRAME(letter##1, letter##2)
static __attribute__((noinline)) int last_frame(int n) {
  asm volatile("" : "+r"(n));
  return n;
}
FRAMES(frame_h, last_frame)
FRAMES(frame_g, frame_h1)
FRAMES(frame_f, frame_g1)
FRAMES(frame_e, frame_f1)
FRAMES(frame_d, frame_e1)
FRAMES(frame_c, frame_d1)
FRAMES(frame_b, frame_c1)
FRAMES(frame_a, frame_b1)

SEC("?socket")
int frames_too_many(struct __sk_buff* skb) { return frame_a1(skb->len); }

__attribute__((noinline)) int read_global(__u64* number) { return number ? *number : 0; }

SEC("?socket")
int global_function_argument(struct __sk_buff* skb) { return read_global((__u64*)(unsigned long)skb->len); }

__attribute__((noinline)) int unchecked_global(__u64* number) { return *number; }

SEC("?socket")
int global_function_body(struct __sk_buff* skb) {
  __u64 number = 1;
  return unchecked_global(&number);
}

__attribute__((noinline)) struct __sk_buff* pointer_global(struct __sk_buff* skb) {
  asm volatile("" : "+r"(skb));
  return skb;
}

SEC("?socket")
int global_function_result(struct __sk_buff* skb) { return pointer_global(skb) != 0; }

static __attribute__((noinline)) void* stack_of_function(int n) {
  void* pointer;
  asm volatile("%0 = r10" : "=r"(pointer), "+r"(n));
  return pointer;
}

SEC("?socket")
int stack_returned(struct __sk_buff* skb) { return *(char*)(stack_of_function(skb->len) - 8); }

// ---- Long programs

SEC("?socket")
int million_instructions(struct __sk_buff* skb) {
  __u64 sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 1000000; i++) {
    sum += i;
    asm volatile("" : "+r"(sum));
  }
  return sum;
}

SEC("?socket")
int late_null_pointer(struct __sk_buff* skb) {
  __u64 sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 2000; i++) sum += i ^ (__u64)bpf_get_prandom_u32();
  __u32 key = 1;
  __u64* value = bpf_map_lookup_elem(&hash, &key);
  return *value + sum;
}

char LICENSE[] SEC("license") = "GPL";
