// load OBJECT ROUNDS: opens and loads an object.
#include "bench.h"

int main(int argc, char** argv) {
  int rounds = atoi(argv[2]);
  double *open = calloc(rounds, sizeof(*open)), *load = calloc(rounds, sizeof(*open)),
         *both = calloc(rounds, sizeof(*open));
  for (int i = 0; i < rounds; i++) {
    uint64_t start = now();
    struct bpf_object* object = bpf_object__open_file(argv[1], NULL);
    if (object == NULL) CHECK(-1);
    uint64_t opened = now();
    CHECK(bpf_object__load(object));
    uint64_t loaded = now();
    open[i] = (opened - start) / 1e6;
    load[i] = (loaded - opened) / 1e6;
    both[i] = (loaded - start) / 1e6;
    bpf_object__close(object);
  }
  printf("{\"open\":%.3f,\"load\":%.3f,\"both\":%.3f}\n", quantile(open, rounds, 0.5),
         quantile(load, rounds, 0.5), quantile(both, rounds, 0.5));
  return 0;
}
