// A type of every kind that clang writes to BTF.

#define tag(x) __attribute__((btf_decl_tag(x)))
#define type_tag(x) __attribute__((btf_type_tag(x)))

struct never_defined;
union never_either;

typedef unsigned int counter;

enum mood { CALM, EXCITED = 7 };
enum sign { BELOW = -3 };
enum large { LARGE = 0x100000000ULL };

struct node {
  struct node* next;
  const volatile counter hits;
  int bits : 3;
  float half;
  char name[8];
  struct never_defined* a;
  union never_either* b;
  int type_tag("user") * tagged;
  int* restrict only;
  int (*call)(long first, const char* format, ...);
  union {
    int x;
    enum mood mood;
  };
  enum sign sign;
  enum large large;
} tag("kept") tag("twice");

struct node first;
static volatile int hidden tag("var");
extern int elsewhere __attribute__((section(".kconfig")));

int __attribute__((noinline)) helper(struct node* argument tag("arg")) { return argument->hits + hidden; }

__attribute__((section("socket"))) int program(void* context) {
  hidden = 1;
  return helper(&first) + elsewhere;
}
