// The first input of fuzz-target: a library that is not stripped, with a function in two versions and a USDT
// probe (a note as in sys/sdt.h) for each kind of argument.
#define PROBE(arguments)                                                                    \
  __asm__ volatile(                                                                         \
      "990: nop\n"                                                                          \
      ".pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 992f-991f,994f-993f,3\n" \
      "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte 990b\n.8byte 0\n.8byte 0\n"     \
      ".asciz \"shop\"\n.asciz \"sold\"\n.asciz \"" arguments "\"\n994: .balign 4\n.popsection\n")

__asm__(".symver sell_1, sell@SHOP_1\n.symver sell_2, sell@@SHOP_2\n");
int sell_1(void) { return 1; }
int sell_2(void) { return 2; }

int main(void) {
#if defined(__x86_64__)
  PROBE("-8@%rax 4@$5 1@-96(%rbp,%rax,8) 1@(%rbp,%rax,8) 2@-96(%rbp,%rax) 8@(%rbp,%rax)");
  PROBE("-4@-20(%rbp) 8@(%rsp)");
#else
  PROBE("-8@x0 4@5 8@[sp, 60] -4@[x1]");
#endif
  PROBE("");
  return sell_1() + sell_2();
}
