// lpm OBJECT PREFIXES BATCH: fills an LPM trie in batches.
#include "bench.h"

struct prefix {
  uint32_t length, address;
};

int main(int argc, char** argv) {
  int fd = map_fd(load(argv[1]), "blocked");
  uint32_t prefixes = strtoul(argv[2], NULL, 0), batch = strtoul(argv[3], NULL, 0);
  struct prefix* keys = calloc(batch, sizeof(*keys));
  uint32_t* values = calloc(batch, sizeof(*values));
  double start = cpu_seconds();
  for (uint32_t i = 0; i < prefixes;) {
    uint32_t count = 0;
    for (; count < batch && i < prefixes; count++, i++) {
      keys[count] = (struct prefix){24 + i % 9, i * 2654435761u};
      values[count] = i;
    }
    CHECK(bpf_map_update_batch(fd, keys, values, &count, NULL));
  }
  printf("{\"seconds\":%.4f}\n", cpu_seconds() - start);
  return 0;
}
