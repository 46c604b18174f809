// map OBJECT KEYS ROUNDS [THREADS]: single look-ups, updates and deletions, u32 to u64. With idle threads, as
// in Node.js, the kernel counts references to the descriptor in each call.
#include <pthread.h>

#include "bench.h"

enum { kBulk = 64 };

static void* idle(void* unused) {
  pause();
  return unused;
}

int main(int argc, char** argv) {
  int fd = map_fd(load(argv[1]), "counts");
  uint32_t keys = strtoul(argv[2], NULL, 0);
  int rounds = atoi(argv[3]);
  for (int i = argc > 4 ? atoi(argv[4]) : 0; i > 0; i--) {
    pthread_t thread;
    CHECK(-pthread_create(&thread, NULL, idle, NULL));
  }
  double *get = calloc(rounds, sizeof(*get)), *set = calloc(rounds, sizeof(*get)),
         *delete = calloc(rounds, sizeof(*get)), *get_many = calloc(rounds, sizeof(*get)),
         *set_many = calloc(rounds, sizeof(*get));
  uint64_t value, sum = 0, sum_of_many = 0;
  for (int i = 0; i < rounds; i++) {
    for (uint32_t key = 0; key < keys; key++) {
      value = key;
      CHECK(bpf_map_update_elem(fd, &key, &value, BPF_ANY));
    }
    uint64_t start = now();
    for (uint32_t key = 0; key < keys; key++) {
      value = key;
      CHECK(bpf_map_update_elem(fd, &key, &value, BPF_ANY));
    }
    set[i] = (double)(now() - start) / keys;
    start = now();
    for (uint32_t key = 0; key < keys; key++) {
      CHECK(bpf_map_lookup_elem(fd, &key, &value));
      sum += value;
    }
    get[i] = (double)(now() - start) / keys;
    start = now();
    for (uint32_t first = 0; first < keys; first += kBulk) {
      uint32_t some[kBulk], count = kBulk;
      uint64_t values[kBulk];
      for (uint32_t k = 0; k < kBulk; k++) some[k] = values[k] = first + k;
      CHECK(bpf_map_update_batch(fd, some, values, &count, NULL));
    }
    set_many[i] = (double)(now() - start) / keys;
    start = now();
    // The kernel has no batch operation that looks up keys.
    for (uint32_t first = 0; first < keys; first += kBulk) {
      uint64_t values[kBulk];
      for (uint32_t k = 0; k < kBulk; k++) {
        uint32_t key = first + k;
        CHECK(bpf_map_lookup_elem(fd, &key, &values[k]));
      }
      for (uint32_t k = 0; k < kBulk; k++) sum_of_many += values[k];
    }
    get_many[i] = (double)(now() - start) / keys;
    start = now();
    for (uint32_t key = 0; key < keys; key++) CHECK(bpf_map_delete_elem(fd, &key));
    delete[i] = (double)(now() - start) / keys;
  }
  CHECK(sum_of_many == sum ? 0 : -1);
  printf("{\"get\":%.2f,\"set\":%.2f,\"delete\":%.2f,\"getMany\":%.2f,\"setMany\":%.2f,\"sum\":%lu}\n",
         quantile(get, rounds, 0.5), quantile(set, rounds, 0.5), quantile(delete, rounds, 0.5),
         quantile(get_many, rounds, 0.5), quantile(set_many, rounds, 0.5), sum);
  return 0;
}
