// produce CPU COUNT BATCH INTERVAL: runs the program of descriptor 3 until it has sent COUNT events, BATCH at
// a time, every INTERVAL ns (0: as fast as there is room). A process of its own, the same for both sides:
// what it costs is not the reader's. CPU -1: wherever the scheduler wants it.
#define _GNU_SOURCE
#include <sched.h>
#include <sys/prctl.h>

#include "bench.h"

int main(int argc, char** argv) {
  int cpu = atoi(argv[1]);
  uint64_t count = strtoull(argv[2], NULL, 0), batch = strtoull(argv[3], NULL, 0);
  uint64_t interval = strtoull(argv[4], NULL, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= 0) {
    CPU_SET(cpu, &set);
    CHECK(sched_setaffinity(0, sizeof(set), &set));
  }
  uint64_t next = now();
  for (uint64_t sent = 0; sent < count;) {
    uint64_t some = count - sent < batch ? count - sent : batch;
    for (uint64_t left = some; left > 0;) {
      uint32_t done = emit(3, left);
      // The ring is full: where there is one core only, let the reader run.
      if (done == 0) sched_yield();
      left -= done;
    }
    sent += some;
    // Spins: a sleep is longer than asked for, by much more than an event takes.
    for (next += interval; interval != 0 && now() < next;) {
    }
  }
  return 0;
}
