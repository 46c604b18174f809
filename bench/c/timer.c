// timer OBJECT CPU SECONDS: how late a timer of 10 ms fires in a loop that reads two rings that are always
// full.
#include <sys/timerfd.h>

#include "bench.h"

static uint64_t sum;

static int on_event(void* context, void* data, size_t size) {
  const struct event* event = data;
  sum += event->number + event->one;
  return 0;
}

int main(int argc, char** argv) {
  int seconds = atoi(argv[3]);
  struct bpf_object *first = load(argv[1]), *second = load(argv[1]);
  struct ring_buffer* ring = ring_buffer__new(map_fd(first, "events"), on_event, NULL, NULL);
  CHECK(ring_buffer__add(ring, map_fd(second, "events"), on_event, NULL));
  int timer = CHECK(timerfd_create(CLOCK_MONOTONIC, 0));
  int epoll = ring_buffer__epoll_fd(ring);
  // The data of an event in epoll is the number of the ring.
  struct epoll_event watched = {.events = EPOLLIN, .data.fd = -1};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &watched));
  pid_t producers[] = {
      produce(argv[0], program_fd(first, "emit_many"), argv[2], "4000000000", "10000", "0"),
      produce(argv[0], program_fd(second, "emit_many"), argv[2], "4000000000", "10000", "0"),
  };
  const uint64_t period = 10000000;
  double* late = calloc(seconds * 100, sizeof(*late));
  int count = 0;
  uint64_t end = now() + seconds * 1000000000ull, armed = 0;
  while (now() < end) {
    if (armed == 0) {
      struct itimerspec when = {.it_value.tv_nsec = period};
      armed = now();
      CHECK(timerfd_settime(timer, 0, &when, NULL));
    }
    struct epoll_event events[3];
    int ready = CHECK(epoll_wait(epoll, events, 3, -1));
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd == -1) {
        late[count++] = (now() - armed - period) / 1e6;
        armed = 0;
        uint64_t expirations;
        CHECK(read(timer, &expirations, sizeof(expirations)));
      } else {
        CHECK(ring__consume(ring_buffer__ring(ring, events[i].data.fd)));
      }
    }
  }
  for (int i = 0; i < 2; i++) kill(producers[i], SIGKILL);
  double p50 = quantile(late, count, 0.5);
  printf("{\"p50\":%.3f,\"p99\":%.3f}\n", p50, quantile(late, count, 0.99));
  return 0;
}
