// latency OBJECT CPU EVENTS INTERVAL: the time from sending an event to the callback, one event at a time,
// with epoll.
#include "bench.h"

static double* us;
static int count;

static int on_event(void* context, void* data, size_t size) {
  us[count++] = (now() - ((struct event*)data)->time) / 1e3;
  return 0;
}

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  int events = atoi(argv[3]);
  us = calloc(events, sizeof(*us));
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_event, NULL, NULL);
  int epoll = ring_buffer__epoll_fd(ring);
  pid_t producer = produce(argv[0], program_fd(object, "emit_one"), argv[2], argv[3], "1", argv[4]);
  while (count < events) {
    struct epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) > 0) CHECK(ring_buffer__consume(ring));
  }
  waitpid(producer, NULL, 0);
  double p50 = quantile(us, count, 0.5);
  printf("{\"p50\":%.3f,\"p99\":%.3f}\n", p50, quantile(us, count, 0.99));
  return 0;
}
