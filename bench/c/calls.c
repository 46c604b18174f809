// calls SLICES CALLS: the nanoseconds of CPU time of a system call that does nothing. The least of the slices
// counts, because other work can only add to it.
#include <sys/syscall.h>

#include "bench.h"

static uint64_t cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char** argv) {
  int slices = atoi(argv[1]), calls = atoi(argv[2]);
  double* times = calloc(slices, sizeof(*times));
  for (int i = 0; i < slices; i++) {
    uint64_t start = cpu_time();
    for (int j = 0; j < calls; j++) syscall(SYS_getppid);
    times[i] = (double)(cpu_time() - start) / calls;
  }
  printf("%.2f\n", quantile(times, slices, 0));
  return 0;
}
