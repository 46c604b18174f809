// parallel OBJECT CPU EVENTS: a producer and a consumer at the same time, each at full speed.
#include "bench.h"

static uint64_t sum, count, start;

static int on_event(void* context, void* data, size_t size) {
  const struct event* event = data;
  if (count++ == 0) start = now();
  sum += event->number + event->one;
  return 0;
}

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  uint64_t events = strtoull(argv[3], NULL, 0);
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_event, NULL, NULL);
  pid_t producer = produce(argv[0], program_fd(object, "emit_many"), argv[2], argv[3], "100000", "0");
  while (count < events) CHECK(ring_buffer__poll(ring, 1000));
  double seconds = (now() - start) / 1e9;
  waitpid(producer, NULL, 0);
  printf("{\"rate\":%.0f,\"sum\":%lu,\"cpu\":%.3f}\n", events / seconds, sum, cpu_seconds() * 1e9 / events);
  return 0;
}
