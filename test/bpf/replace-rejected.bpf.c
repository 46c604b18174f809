#define VERSION 3
#include "replace.h"

SEC("raw_tp/sched_process_exit")
int bad(void* ctx) { return **(int**)0; }
