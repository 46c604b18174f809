// Every kind of type and map that a program may have.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct timed {
  struct bpf_timer timer;
  struct bpf_spin_lock lock;
  int n;
};

struct mynode {
  struct bpf_list_node list;
  u64 x;
};

enum flags { FLAG_A = 1U << 0, FLAG_TOP = 1U << 31 };
enum big { BIG = 1ULL << 63, ONE = 1 };
enum neg { NEG = -5, POS = 1LL << 40 };
enum { ANON_A, ANON_B } anon_enum;
typedef enum { T_A = 3 } tenum;
typedef int* intp;
typedef struct fwd_only fwd_t;
typedef u8 mac_t[6];
typedef mac_t macs_t[2];
typedef struct {
  mac_t m;
  macs_t ms;
} has_macs;

union u {
  int i;
  float f;
  struct {
    u16 lo, hi;
  } parts;
  u8 raw[4];
};

struct all {
  enum flags flags;
  enum big big;
  enum neg neg;
  tenum t;
  enum { IN_A = 7, IN_B } inner_enum;
  intp p;
  fwd_t* fp;
  mac_t mac;
  macs_t macs;
  has_macs hm[2];
  union u u;
  union u us[2][3];
  int (*fn)(int);
  void* vp;
  const char* str;
  char c;
  char cs[1];
  signed char sc[2];
  _Bool b;
  _Bool bs[2];
  u64 bits : 33, more : 31;
  s32 sb : 5;
  struct {
    int x;
  } anon_member;
  struct {
    int y;
  };
  long l;
  unsigned long ul;
  long long ll;
  __u64 __attribute__((aligned(8))) al;
  double d;
  float f[2];
  __int128 i128;
  struct {
  } empty;
  int zero[0];
  struct timed* tp;
  struct list_head lh;
  volatile const int* const volatile cvp;
};
struct all everything;

struct {
  int a[2];
  struct {
    u8 b;
  } c[3];
} anon_var;

static volatile int counter_a;
u64 big_array[4096];
char text[8] = "hi";
const char ro_text[] = "read only";
const volatile char* unused_ptr;
has_macs hm;
u8 tail[16];

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, u32);
  __type(value, struct timed);
} timers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 2);
  __type(key, char[8]);
  __type(value, union u);
} pc SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 2);
  __type(value, enum flags);
} q SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 2);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(
      key, struct {
        u32 len;
        u8 ip[4];
      });
  __type(value, intp);
} lpm SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 2);
  __uint(key_size, 12);
  __type(value, u8[24]);
} mixed SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, u32);
  __type(value, has_macs);
} in1 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, u32);
  __array(values, struct inner);
} outer SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __array(values, int(void*));
} progs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(
      value, struct { u64 at; });
} ts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 4);
  __type(value, u32);
} bloom SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 4);
  __type(key, int);
  __type(value, int);
} sm SEC(".maps");
__noinline int global_fn(int x) { return x + counter_a++; }

SEC("tc") int use(struct __sk_buff* s) {
  static int calls;
  static u64 last[2];
  calls++;
  last[calls & 1]++;
  everything.u.i =
      global_fn(calls) + ro_text[calls & 7] + text[0] + anon_enum + anon_var.a[0] + hm.m[0] + tail[3];
  big_array[5]++;
  return 0;
}

SEC("tc") int use2(struct __sk_buff* s) {
  static int calls = 3;
  return calls++;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
