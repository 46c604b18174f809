// Sections whose targets do not exist, or that name none (test/attach/section.test.ts).
#include "vmlinux.h"

#include <bpf/usdt.bpf.h>

#define PROGRAM(section, name) \
  SEC(section)                 \
  int name(void* ctx) { return 0; }

// ---- Targets that do not exist

PROGRAM("?kprobe/vfs_reed", kprobe)
PROGRAM("?ksyscall/opeat", ksyscall)
PROGRAM("?kprobe.multi/no_such_function_*", kprobe_multi)
PROGRAM("?uprobe/libc.so.6:no_such_function", uprobe)
PROGRAM("?uretprobe/libc.so.6:strlen", uprobe_indirect)
PROGRAM("?uprobe/libnone.so.1:f", uprobe_library)
PROGRAM("?uprobe/libbpf-node-no-program:f", uprobe_program)
PROGRAM("?uprobe.multi/libc.so.6:no_such_*", uprobe_multi)
PROGRAM("?usdt/libc.so.6:libc:no_such_probe", usdt)
PROGRAM("?usdt/libnone.so.1:libc:setjmp", usdt_library)
PROGRAM("?tp/sched/sched_swich", tracepoint)
PROGRAM("?raw_tp/sched_swich", raw_tracepoint)

// sys_exit passes two arguments.
SEC("?raw_tp/sys_exit")
int raw_arguments(struct bpf_raw_tracepoint_args* ctx) { return ctx->args[5] != 0; }

// ---- Iterators that need an option

PROGRAM("?iter/bpf_map_elem", iter_map)
PROGRAM("?iter/cgroup", iter_cgroup)

// ---- No target

PROGRAM("?kprobe", kprobe_nowhere)
PROGRAM("?ksyscall", ksyscall_nowhere)
PROGRAM("?uprobe.s", uprobe_nowhere)
PROGRAM("?uprobe.multi", uprobe_multi_nowhere)
PROGRAM("?usdt", usdt_nowhere)
PROGRAM("?raw_tp", raw_tracepoint_nowhere)
PROGRAM("?fentry", fentry_nowhere)
PROGRAM("?freplace/f", freplace_nowhere)

// ---- Programs that are not attached

PROGRAM("?syscall", syscall)
PROGRAM("?lwt_out", lwt_out)
PROGRAM("?xdp/devmap", xdp_devmap)
PROGRAM("?action", action)

char LICENSE[] SEC("license") = "GPL";
