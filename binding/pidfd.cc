// Descriptors of processes, which are the keys of task storage maps.
#include <sys/syscall.h>
#include <unistd.h>

#include "addon.h"
#include "util/call.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace {

napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int pid = args.i32(0);
  uint32_t flags = args.u32(1);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened = Call(env, "pidfd_open",
                     [&] { return ErrnoOf(fd = static_cast<int>(syscall(SYS_pidfd_open, pid, flags))); });
  return opened ? HandOut(env, UniqueFd(fd)) : nullptr;
}

}  // namespace

void DefinePidfd(napi_env env, napi_value exports) { Define(env, exports, {{"pidfdOpen", Open}}); }
