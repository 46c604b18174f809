// refused OBJECT ROUNDS: attaches to what does not exist.
#include "bench.h"

static int silent(enum libbpf_print_level level, const char* format, va_list args) { return 0; }

static double tracepoint(struct bpf_program* program) {
  uint64_t start = now();
  if (bpf_program__attach_tracepoint(program, "sched", "sched_process_exek") != NULL) CHECK(-1);
  return (now() - start) / 1e3;
}

static double uprobe(struct bpf_program* program) {
  LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = "getaddrinfoo");
  uint64_t start = now();
  if (bpf_program__attach_uprobe_opts(program, -1, "libc.so.6", 0, &options) != NULL) CHECK(-1);
  return (now() - start) / 1e3;
}

int main(int argc, char** argv) {
  libbpf_set_print(silent);
  struct bpf_object* object = load(argv[1]);
  struct bpf_program* at_tracepoint = bpf_object__find_program_by_name(object, "at_tracepoint");
  struct bpf_program* at_function = bpf_object__find_program_by_name(object, "at_function");
  int rounds = atoi(argv[2]);
  double *a = calloc(rounds, sizeof(*a)), *b = calloc(rounds, sizeof(*b));
  double first = tracepoint(at_tracepoint);
  for (int i = 0; i < rounds; i++) a[i] = tracepoint(at_tracepoint);
  for (int i = 0; i < rounds; i++) b[i] = uprobe(at_function);
  printf("{\"first\":%.2f,\"tracepoint\":%.2f,\"uprobe\":%.2f,\"sum\":0}\n", first, quantile(a, rounds, 0.5),
         quantile(b, rounds, 0.5));
  return 0;
}
