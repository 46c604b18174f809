// Asks for configuration that no kernel has.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

extern int CONFIG_NO_SUCH_THING __kconfig;

SEC("raw_tp/sched_process_exec")
int on_exec(void* context) { return CONFIG_NO_SUCH_THING; }

char LICENSE[] SEC("license") = "GPL";
