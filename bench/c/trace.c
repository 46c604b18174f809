// trace OBJECT SLICES CALLS: what a system call costs while a program counts it.
#include "bench.h"

// What bench/c/calls.c, which is beside this program, says.
static double call_time(char** argv) {
  char command[4096];
  snprintf(command, sizeof(command), "%.*scalls %s %s", (int)(strrchr(argv[0], '/') + 1 - argv[0]), argv[0],
           argv[2], argv[3]);
  FILE* calls = popen(command, "r");
  double time;
  if (calls == NULL || fscanf(calls, "%lf", &time) != 1) CHECK(-1);
  CHECK(pclose(calls));
  return time;
}

static double counted(struct bpf_object* object, const char* name, char** argv) {
  struct bpf_link* link = bpf_program__attach(bpf_object__find_program_by_name(object, name));
  if (link == NULL) CHECK(-1);
  double time = call_time(argv);
  bpf_link__destroy(link);
  return time;
}

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  double bare = call_time(argv);
  double all = counted(object, "count_all", argv) - bare;
  double by = counted(object, "count_by_comm", argv) - bare;
  printf("{\"bare\":%.2f,\"all\":%.2f,\"by\":%.2f}\n", bare, all, by);
  return 0;
}
