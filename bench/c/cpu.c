// cpu OBJECT CPU EVENTS BATCH INTERVAL: the CPU time of a process that reads events at a steady rate.
#include "bench.h"

static uint64_t sum, count;

static int on_event(void* context, void* data, size_t size) {
  const struct event* event = data;
  count++;
  sum += event->number + event->one;
  return 0;
}

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  uint64_t events = strtoull(argv[3], NULL, 0);
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_event, NULL, NULL);
  pid_t producer = produce(argv[0], program_fd(object, "emit_many"), argv[2], argv[3], argv[4], argv[5]);
  double start = cpu_seconds();
  while (count < events) CHECK(ring_buffer__poll(ring, 1000));
  double seconds = cpu_seconds() - start;
  waitpid(producer, NULL, 0);
  printf("{\"seconds\":%.4f,\"sum\":%lu}\n", seconds, sum);
  return 0;
}
