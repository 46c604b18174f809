// Code that the C programs of all cases share. A trial prints one line of JSON at the end, as in
// bench/trial.mjs.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct event {
  uint64_t time;
  uint32_t number, one;
  char comm[16];
  uint64_t a, b, c, d;
};

#define CHECK(expression)                                                                   \
  ({                                                                                        \
    long result_ = (long)(expression);                                                      \
    if (result_ < 0) {                                                                      \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #expression, strerror(errno)); \
      exit(1);                                                                              \
    }                                                                                       \
    result_;                                                                                \
  })

static inline uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare_(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static inline double quantile(double* values, size_t count, double q) {
  qsort(values, count, sizeof(*values), compare_);
  return values[(size_t)(q * (count - 1) + 0.5)];
}

static inline struct bpf_object* load(const char* path) {
  struct bpf_object* object = bpf_object__open_file(path, NULL);
  if (object == NULL) CHECK(-1);
  CHECK(bpf_object__load(object));
  return object;
}

static inline int program_fd(struct bpf_object* object, const char* name) {
  return CHECK(bpf_program__fd(bpf_object__find_program_by_name(object, name)));
}

static inline int map_fd(struct bpf_object* object, const char* name) {
  return CHECK(bpf_object__find_map_fd_by_name(object, name));
}

static inline uint32_t emit(int program, uint64_t count) {
  LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &count, .ctx_size_in = sizeof(count));
  CHECK(bpf_prog_test_run_opts(program, &run));
  return run.retval;
}

// Starts bench/c/produce.c, which is beside this program, with descriptor 3.
static inline pid_t produce(const char* self, int program, char* cpu, char* count, char* batch,
                            char* interval) {
  pid_t pid = CHECK(fork());
  if (pid > 0) return pid;
  char path[4096];
  snprintf(path, sizeof(path), "%.*sproduce", (int)(strrchr(self, '/') + 1 - self), self);
  // Descriptor 3 may be in use here, and duplicating 3 to itself would keep its close-on-exec flag.
  int copy = CHECK(fcntl(program, F_DUPFD, 4));
  CHECK(dup2(copy, 3));
  close(copy);
  execl(path, path, cpu, count, batch, interval, NULL);
  CHECK(-1);
  return -1;
}
