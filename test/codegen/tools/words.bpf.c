// Names that TypeScript, JavaScript or generated code have for something else.
// clang-format off
#include <linux/bpf.h>  // has the types that the other header needs
// clang-format on
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u32 u32;

/* Names that mean something. */
struct Promise {
  int then;
  int toString;
  int valueOf;
  int hasOwnProperty;
  int __defineGetter__;
  int prototype;
  int arguments;
  int delete_;
};

struct number {
  u8 Number;
};

struct String {
  char string[4];
};

typedef struct {
  int x;
} undefined;

struct class {
  struct number default_;
};

enum Symbol { iterator = 1, asyncIterator, NaN_ = -1 };
struct Uint8Array {
  u8 of[3];
};

struct Words {
  int a;
};

struct WordsShape {
  int b;
};

struct codecs {
  int c;
};

struct rt {
  int d;
};

struct object {
  int e;
};

struct base {
  int f;
};

struct known0 {
  int g;
};

struct v {
  int o;
};

struct any {
  int any;
};

struct unknown {
  int u;
};

struct never {
  int n;
};

struct frame {
  int o, v, n, x, end, i, e, value, count;
};

struct Codec {
  int decode;
};

struct decodeWords {
  int a;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, struct Promise);
  __type(value, struct class);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, u32);
  __type(value, undefined);
} get SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} close SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} constructor SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} __proto__ SEC(".maps");
struct Promise promise;
struct String programs;
int maps;
int name;
int constructor_ = 1;
struct Uint8Array let;

enum Symbol symbol;
struct any any;
struct unknown unknown;
struct never never;
struct codecs codecs;
struct rt rt;
struct object object;
struct base base;
struct known0 known0;
struct v v;
struct frame frame;
struct Words words;
struct WordsShape shape;
struct Codec codec;
struct decodeWords dw;
int hasOwnProperty = 5;
int then;
int toJSON;
int custom SEC(".data.open") = 3;
int custom2 SEC(".data.a-b") = 4;
int custom3 SEC(".bss.x.y");
const volatile int ro SEC(".rodata.close") = 1;

SEC("tc") int open(struct __sk_buff* s) { return maps + custom + custom2 + custom3 + ro + hasOwnProperty; }
SEC("tc") int attach(struct __sk_buff* s) { return name; }
SEC("tc") int forEach(struct __sk_buff* s) { return 0; }
SEC("tc") int size(struct __sk_buff* s) { return 0; }
char LICENSE[] SEC("license") = "Dual BSD/GPL";
