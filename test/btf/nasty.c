// Layouts that are easy to get wrong. Compiled for BPF in both byte orders, for BTF and data, and for the
// host: layout.test.ts compares the layouts. There are no headers, and nothing that only one target has.

typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

enum color { RED, GREEN = 5, BLUE = -2 };
enum wide { NARROW = 1, WIDE = 0x123456789abULL };
enum far { NEAR = -1LL, FAR = -0x123456789abLL };
enum __attribute__((packed)) tiny { T0, T1 = 200 };

struct scalars {
  u8 a;
  s8 b;
  u16 c;
  s16 d;
  u32 e;
  s32 f;
  u64 g;
  s64 h;
  _Bool yes;
  _Bool no;
  char letter;
  float single;
  double twice;
  void* pointer;
  enum color color;
  enum wide wide;
  enum far far;
  enum tiny tiny;
  const volatile u16 qualified;
} scalars = {
    200,
    -100,
    60000,
    -30000,
    4000000000u,
    -2000000000,
    0xfedcba9876543210ULL,
    -0x7edcba9876543210LL,
    1,
    0,
    'x',
    1.5f,
    -2.25,
    (void*)0xffff888012345678ULL,
    BLUE,
    WIDE,
    FAR,
    T1,
    777,
};

struct wider {
  u8 tag;
  __int128 minus;
  unsigned __int128 plus;
} wider = {1, -5, ((unsigned __int128)0x0123456789abcdefULL << 64) | 0xfedcba9876543210ULL};

struct bits {
  u32 a : 3;
  s32 b : 5;
  u32 c : 24;
  u64 d : 40;
  s64 e : 24;
  u8 f : 1;
  _Bool g : 1;
  u16 h : 9;
  u32 : 0;
  u32 i : 32;
  s64 j : 64;
  u32 k : 1;
  s32 l : 31;
  enum color m : 8;
  u64 n : 33;
  s64 o : 31;
} bits = {5, -9,          0xabcdef, 0xfedcba9876ULL, -0x654321, 1, 1, 300, 0xdeadbeef, -2,
          1, -1000000000, BLUE,     0x1fedcba98ULL,  -77};

struct __attribute__((packed)) squeezed {
  u8 a;
  u64 b;
  u16 c;
  u32 d : 5;
  u32 e : 20;
  u64 f : 45;
  s32 g : 30;
  u8 h : 3;
  s64 i : 64;
  u8 j : 1;
} squeezed = {1, 0x1122334455667788ULL, 0x99aa, 17, 0xabcde, 0x1234567890abULL, -123456789,
              6, -0x1122334455667788LL, 1};

struct aligned {
  u8 a;
  u32 b __attribute__((aligned(32)));
  u8 c;
  struct scalars inner __attribute__((aligned(64)));
} aligned;

struct text {
  char name[16];
  s8 small[4];
  u8 mac[6];
  unsigned char raw[3][2];
  char lines[2][5];
  u16 grid[2][3];
  u32 many[12];
  _Bool flags[3];
  char full[4];
  u8 long_raw[40];
} text = {
    "systemd",
    {-1, 2, -3, 4},
    {0xde, 0xad, 0xbe, 0xef, 0, 1},
    {{1, 2}, {3, 4}, {5, 6}},
    {"ab", "cdefg"},
    {{1, 2, 3}, {4, 5, 60000}},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4000000000u},
    {1, 0, 1},
    "full",
    {7, [39] = 9},
};

struct nested {
  u8 kind;
  struct {
    u16 port;
    union {
      u32 v4;
      u8 v6[16];
    };
  } addr[2];
  union {
    struct {
      u16 low;
      u16 high;
    };
    u32 both;
    struct {
      u8 first;
      u8 pad[2];
      union {
        u8 last;
        s8 last_signed;
      };
    };
  };
  struct {
    u64 when;
    struct {
      u8 deep;
      u8 deeper : 4;
    };
  };
  union {
    float f;
    u32 i;
  } number;
  struct empty {
  } nothing;
} nested = {3,
            {{80, {.v4 = 0x7f000001}}, {443, {.v6 = {1, 2, 3, 4, [15] = 16}}}},
            {{0x1234, 0x5678}},
            {99, {7, 9}},
            {1.5f}};

struct flexible {
  u32 count;
  u8 kind;
  struct {
    u16 id;
    u8 tag;
  } items[];
};

struct flexible_text {
  u16 length;
  char line[];
};

struct flexible_end {
  u32 head;
  struct flexible tail;
};

// Makes the compilers describe types without variables.
struct flexible* keep_flexible;
struct flexible_text* keep_text;
struct flexible_end* keep_end;
