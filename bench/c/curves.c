// curves NAME OBJECT ARGUMENT...: the same as bench/curves/NAME.mjs. Prints CPU time, the least of all
// rounds.
#include <stdbool.h>

#include "bench.h"

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void result(double least) { printf("{\"C\":%.3f}\n", least); }

static double least = 1e300;
static void keep(uint64_t start, double units) {
  double each = (double)(cpu_ns() - start) / units;
  if (each < least) least = each;
}

static uint64_t sum, events_seen;

static int on_pair(void* context, void* data, size_t size) {
  const uint32_t* pair = data;
  sum += pair[0] + pair[1];
  return 0;
}

// SIZE COUNT ROUNDS: ns per record
static void records(char** argv) {
  struct bpf_object* object = load(argv[0]);
  uint32_t size = strtoul(argv[1], NULL, 0);
  uint64_t count = strtoull(argv[2], NULL, 0);
  size_t length;
  char* bss = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".bss"), &length);
  *(uint32_t*)bss = size;
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_pair, NULL, NULL);
  for (int i = atoi(argv[3]); i > 0; i--) {
    emit(program_fd(object, "emit_many"), count);
    uint64_t start = cpu_ns();
    CHECK(ring_buffer__consume(ring));
    keep(start, count);
  }
}

// MEMBERS COUNT ROUNDS: ns per struct
static void members(char** argv) {
  uint32_t n = strtoul(argv[1], NULL, 0), count = strtoul(argv[2], NULL, 0);
  volatile uint32_t* memory = calloc(count, n * sizeof(uint32_t));
  for (int round = atoi(argv[3]); round > 0; round--) {
    uint64_t start = cpu_ns();
    for (uint32_t i = 0; i < count * n; i++) sum += memory[i];
    keep(start, count);
  }
}

static int on_number(void* context, void* data, size_t size) {
  events_seen++;
  return 0;
}

// RINGS CPU EVENTS INTERVAL: µs per record
static void rings(char** argv, char* self) {
  struct bpf_object* object = load(argv[0]);
  uint32_t n = strtoul(argv[1], NULL, 0);
  uint64_t events = strtoull(argv[3], NULL, 0);
  size_t length;
  uint32_t* data = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".data"), &length);
  *data = n;
  struct ring_buffer* reader = NULL;
  for (uint32_t i = 0; i < n; i++) {
    int fd = CHECK(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, 1 << 16, NULL));
    CHECK(bpf_map_update_elem(map_fd(object, "rings"), &i, &fd, BPF_ANY));
    if (reader == NULL) {
      reader = ring_buffer__new(fd, on_number, NULL, NULL);
    } else {
      CHECK(ring_buffer__add(reader, fd, on_number, NULL));
    }
  }
  pid_t producer = produce(self, program_fd(object, "emit_many"), argv[2], argv[3], "1", argv[4]);
  uint64_t start = cpu_ns();
  while (events_seen < events) CHECK(ring_buffer__poll(reader, 1000));
  keep(start, events * 1e3);
  waitpid(producer, NULL, 0);
}

// ENTRIES TIMES ROUNDS: ns per entry
static void entries(char** argv) {
  enum { kBatch = 4096 };
  int fd = map_fd(load(argv[0]), "counts");
  uint32_t n = strtoul(argv[1], NULL, 0);
  for (uint32_t key = 0; key < n; key++) {
    uint64_t value = key;
    CHECK(bpf_map_update_elem(fd, &key, &value, BPF_ANY));
  }
  static uint32_t keys[kBatch];
  static uint64_t values[kBatch];
  int times = atoi(argv[2]);
  for (int round = atoi(argv[3]); round > 0; round--) {
    uint64_t start = cpu_ns();
    for (int time = 0; time < times; time++) {
      uint32_t position;
      for (void* from = NULL;; from = &position) {
        uint32_t count = kBatch;
        int error = bpf_map_lookup_batch(fd, from, &position, keys, values, &count, NULL);
        if (error != 0 && error != -ENOENT) CHECK(error);
        for (uint32_t i = 0; i < count; i++) sum += keys[i] + values[i];
        if (error != 0) break;
      }
    }
    keep(start, (double)n * times);
  }
}

// ROUNDS: µs
static void programs(char** argv) {
  for (int round = atoi(argv[1]); round > 0; round--) {
    uint64_t start = cpu_ns();
    struct bpf_object* object = bpf_object__open_file(argv[0], NULL);
    if (object == NULL) CHECK(-1);
    keep(start, 1e3);
    bpf_object__close(object);
  }
}

// ROUNDS: µs
static void links(char** argv) {
  struct bpf_object* object = load(argv[0]);
  struct bpf_link* made[1000];
  for (int round = atoi(argv[1]); round > 0; round--) {
    uint64_t start = cpu_ns();
    int count = 0;
    struct bpf_program* program;
    bpf_object__for_each_program(program, object) {
      made[count] = bpf_program__attach(program);
      if (made[count++] == NULL) CHECK(-1);
    }
    for (int i = 0; i < count; i++) bpf_link__destroy(made[i]);
    keep(start, 1e3);
  }
}

int main(int argc, char** argv) {
  const char* name = argv[1];
  if (strcmp(name, "records") == 0) records(argv + 2);
  if (strcmp(name, "members") == 0) members(argv + 2);
  if (strcmp(name, "rings") == 0 || strcmp(name, "wakeups") == 0) rings(argv + 2, argv[0]);
  if (strcmp(name, "entries") == 0) entries(argv + 2);
  if (strcmp(name, "programs") == 0) programs(argv + 2);
  if (strcmp(name, "links") == 0) links(argv + 2);
  result(least);
  return 0;
}
