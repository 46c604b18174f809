// drain OBJECT EVENTS ROUNDS: drains a full ring with ring_buffer__consume.
#include "bench.h"

static uint64_t sum;

static int on_event(void* context, void* data, size_t size) {
  const struct event* event = data;
  sum += event->number + event->one;
  return 0;
}

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  uint64_t events = strtoull(argv[2], NULL, 0);
  int rounds = atoi(argv[3]), program = program_fd(object, "emit_many");
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_event, NULL, NULL);
  double* ns = calloc(rounds, sizeof(*ns));
  for (int i = 0; i < rounds; i++) {
    emit(program, events);
    uint64_t start = now();
    int count = CHECK(ring_buffer__consume(ring));
    ns[i] = (double)(now() - start) / count;
  }
  printf("{\"ns\":%.3f,\"sum\":%lu}\n", quantile(ns, rounds, 0.5), sum);
  return 0;
}
