// Programs that are attached to a socket itself.
#include <sys/socket.h>

#include "addon.h"
#include "program.h"
#include "util/call.h"

namespace {

template <int Option>
napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int socket = args.i32(1);
  if (!args.ok()) return nullptr;
  Call(env, "setsockopt", [&] {
    int fd = bpf_program__fd(program->get());
    return ErrnoOf(setsockopt(socket, SOL_SOCKET, Option, &fd, sizeof(fd)));
  });
  return Undefined(env);
}

template <int Option>
napi_value Detach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int socket = args.i32(0);
  if (!args.ok()) return nullptr;
  Call(env, "setsockopt", [&] {
    int ignored = 0;
    return ErrnoOf(setsockopt(socket, SOL_SOCKET, Option, &ignored, sizeof(ignored)));
  });
  return Undefined(env);
}

}  // namespace

void DefineSocket(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programAttachSocket", Attach<SO_ATTACH_BPF>},
             {"programAttachReuseport", Attach<SO_ATTACH_REUSEPORT_EBPF>},
             {"socketDetach", Detach<SO_DETACH_BPF>},
             {"reuseportDetach", Detach<SO_DETACH_REUSEPORT_BPF>},
         });
}
