// Perf events: counters, clocks, tracepoints and breakpoints of the kernel, which programs are attached to
// and which maps hold.
#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <vector>

#include "addon.h"
#include "link.h"
#include "program.h"
#include "util/call.h"
#include "util/options.h"

namespace {

// The bits of perfEventOpen, see types/binding/attach.d.ts.
enum : uint32_t {
  kFrequency = 1 << 0,
  kInherit = 1 << 1,
  kDisabled = 1 << 2,
  kPinned = 1 << 3,
  kExclusive = 1 << 4,
  kExcludeUser = 1 << 5,
  kExcludeKernel = 1 << 6,
  kExcludeHypervisor = 1 << 7,
  kExcludeIdle = 1 << 8,
  kExcludeHost = 1 << 9,
  kExcludeGuest = 1 << 10,
  kCgroup = 1 << 11,
};

napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  perf_event_attr event;
  Zero(event);
  event.size = sizeof(event);
  event.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  event.type = args.u32(0);
  event.config = args.bigint(1);
  event.config1 = args.bigint(2);        // shares a union with the address of a breakpoint
  event.config2 = args.bigint(3);        // and this with its length
  event.bp_type = args.u32(4);           // shares a union with wakeup_events
  event.sample_period = args.bigint(5);  // shares a union with the frequency
  uint32_t bits = args.u32(6);
  int pid = args.i32(7);
  int cpu = args.i32(8);
  if (!args.ok()) return nullptr;
  event.freq = (bits & kFrequency) != 0;
  event.inherit = (bits & kInherit) != 0;
  event.disabled = (bits & kDisabled) != 0;
  event.pinned = (bits & kPinned) != 0;
  event.exclusive = (bits & kExclusive) != 0;
  event.exclude_user = (bits & kExcludeUser) != 0;
  event.exclude_kernel = (bits & kExcludeKernel) != 0;
  event.exclude_hv = (bits & kExcludeHypervisor) != 0;
  event.exclude_idle = (bits & kExcludeIdle) != 0;
  event.exclude_host = (bits & kExcludeHost) != 0;
  event.exclude_guest = (bits & kExcludeGuest) != 0;
  unsigned long flags = PERF_FLAG_FD_CLOEXEC;
  if (bits & kCgroup) flags |= PERF_FLAG_PID_CGROUP;
  UniqueFd fd;
  bool opened = Call(env, "perf_event_open", [&] {
    fd.Reset(static_cast<int>(syscall(SYS_perf_event_open, &event, pid, cpu, -1, flags)));
    return ErrnoOf(fd.get());
  });
  return opened ? HandOut(env, std::move(fd)) : nullptr;
}

napi_value Read(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = HandedOut(env, args, "read");
  if (fd < 0) return nullptr;
  std::vector<uint64_t> values(3);
  bool known = Call(env, "read", [&] {
    ssize_t length = read(fd, values.data(), values.size() * sizeof(uint64_t));
    if (length < 0) return -errno;
    // A pinned counter that could not get onto the processor reads as the end of a file.
    return length == 0 ? -ENODATA : 0;
  });
  return known ? CopyU64s(env, values) : nullptr;
}

napi_value Control(napi_env env, napi_callback_info info) {
  Args args(env, info);
  constexpr unsigned long requests[] = {PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE, PERF_EVENT_IOC_RESET};
  unsigned long request = requests[args.integer(1, 0, 2)];
  if (!args.ok()) return nullptr;
  int fd = HandedOut(env, args, "ioctl");
  if (fd < 0) return nullptr;
  Call(env, "ioctl", [&] { return ErrnoOf(ioctl(fd, request, 0)); });
  return Undefined(env);
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int fd = args.i32(1);
  bpf_perf_event_opts options;
  InitOptions(options);
  options.bpf_cookie = args.bigint(2);
  if (!args.ok()) return nullptr;
  bpf_link* link = nullptr;
  // libbpf closes the descriptor with the link, so it gets one of its own.
  UniqueFd copy = UniqueFd::Duplicate(fd);
  bool attached = Call(env, "bpf_program__attach_perf_event_opts", [&] {
    if (!copy.IsOpen()) return copy.get();
    return ErrorOf(link = bpf_program__attach_perf_event_opts(program->get(), copy.get(), &options));
  });
  if (!attached) return nullptr;
  copy.Release();
  return WrapLink(env, link, program->object);
}

napi_value TaskFdQuery(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int pid = args.i32(0);
  int fd = args.i32(1);
  if (!args.ok()) return nullptr;
  char name[PATH_MAX] = "";
  uint32_t length = sizeof(name), program = 0, type = 0;
  __u64 offset = 0, address = 0;
  bool is_other = false;
  bool known = Call(env, "bpf_task_fd_query", [&] {
    int error = bpf_task_fd_query(pid, fd, 0, name, &length, &program, &type, &offset, &address);
    // Of something else, of an event without a program, or closed in the meantime.
    is_other = error < 0 && error != -EPERM && error != -EACCES;
    return is_other ? 0 : error;
  });
  if (!known) return nullptr;
  if (is_other) return Undefined(env);
  auto result = Napi::Object::New(env);
  result["programId"] = program;
  result["type"] = type;
  result["name"] = std::string(name);
  result["offset"] = Napi::Value(env, ToJs(env, uint64_t{offset}));
  result["address"] = Napi::Value(env, ToJs(env, uint64_t{address}));
  return result;
}

}  // namespace

void DefinePerfEvent(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"perfEventOpen", Open},
             {"perfEventRead", Read},
             {"perfEventControl", Control},
             {"programAttachPerfEvent", Attach},
             {"taskFdQuery", TaskFdQuery},
         });
}
