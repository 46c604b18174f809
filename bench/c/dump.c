// dump OBJECT ENTRIES BATCH ROUNDS: reads all entries of a hash in batches, raw and summed up.
#include "bench.h"

static uint64_t sum, total;

static void dump(int fd, uint32_t size, uint32_t* keys, uint64_t* values, int decode) {
  uint32_t position;
  for (void* from = NULL;; from = &position) {
    uint32_t count = size;
    int error = bpf_map_lookup_batch(fd, from, &position, keys, values, &count, NULL);
    if (error != 0 && error != -ENOENT) CHECK(error);
    total += count;
    for (uint32_t i = 0; decode && i < count; i++) sum += keys[i] + values[i];
    if (error != 0) return;
  }
}

int main(int argc, char** argv) {
  int fd = map_fd(load(argv[1]), "counts");
  uint32_t entries = strtoul(argv[2], NULL, 0), size = strtoul(argv[3], NULL, 0);
  int rounds = atoi(argv[4]);
  uint32_t* keys = calloc(size, sizeof(*keys));
  uint64_t* values = calloc(size, sizeof(*values));
  for (uint32_t key = 0; key < entries; key++) {
    uint64_t value = 2 * (uint64_t)key;
    CHECK(bpf_map_update_elem(fd, &key, &value, BPF_ANY));
  }
  double* ms[] = {calloc(rounds, sizeof(double)), calloc(rounds, sizeof(double))};
  for (int decode = 0; decode < 2; decode++) {
    for (int i = 0; i < rounds; i++) {
      uint64_t start = now();
      dump(fd, size, keys, values, decode);
      ms[decode][i] = (now() - start) / 1e6;
    }
  }
  printf("{\"raw\":%.3f,\"decoded\":%.3f,\"count\":%lu,\"sum\":%lu}\n", quantile(ms[0], rounds, 0.5),
         quantile(ms[1], rounds, 0.5), total / rounds / 2, sum / rounds);
  return 0;
}
