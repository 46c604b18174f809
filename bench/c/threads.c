// Usage: threads COUNT. So many threads work now and then, each at a depth of its own, until the process is
// killed. Stacks follow frame pointers.
#pragma GCC optimize("no-omit-frame-pointer")
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int count;
static volatile unsigned long result;

static __attribute__((noinline)) void spin(void) {
  for (int i = 0; i < 100000; i++) result += i;
}

static __attribute__((noinline)) void deeper(int depth) {
  if (depth > 0)
    deeper(depth - 1);
  else
    spin();
  result++;
}

static void* work(void* number) {
  int depth = (int)(long)number % 40;
  for (;;) {
    deeper(depth);
    // About 0.1 ms of work each.
    usleep(count * 200);
  }
}

int main(int argc, char** argv) {
  count = argc > 1 ? atoi(argv[1]) : 1;
  for (long i = 0; i < count; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, (void*)i) != 0) return 1;
  }
  puts("ready");
  fflush(stdout);
  pause();
}
