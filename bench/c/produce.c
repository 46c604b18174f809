// produce CPU COUNT BATCH INTERVAL: runs the program of descriptor 3 until it has sent COUNT events, BATCH at
// a time, every INTERVAL ns (0: as fast as there is room). It is a process of its own, so that its CPU time
// does not count for the reader, and the same for both sides. CPU -1 leaves the choice to the scheduler.
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
      // The ring is full. If there is only one CPU, let the reader run.
      if (done == 0) sched_yield();
      left -= done;
    }
    sent += some;
    // Spins, because a sleep takes much longer than requested.
    for (next += interval; interval != 0 && now() < next;) {
    }
  }
  return 0;
}
