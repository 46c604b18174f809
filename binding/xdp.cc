// XDP without a kernel link: netlink attaches a program to an interface and says which one is there.
#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/file.h>

#include "addon.h"
#include "link.h"
#include "program.h"
#include "util/call.h"
#include "util/options.h"

namespace {

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int ifindex = args.i32(1);
  uint32_t flags = args.u32(2);
  bool replaces = args.boolean(3);
  bpf_xdp_attach_opts options;
  InitOptions(options);
  options.old_prog_fd = args.i32(4);
  if (!args.ok()) return nullptr;
  auto fd = std::make_shared<UniqueFd>(UniqueFd::Duplicate(bpf_program__fd(program->get())));
  bool attached = Call(env, "bpf_xdp_attach", [&] {
    if (!fd->IsOpen()) return -EBADF;
    bool is_known = options.old_prog_fd >= 0;
    uint32_t how = !replaces ? XDP_FLAGS_UPDATE_IF_NOEXIST : is_known ? XDP_FLAGS_REPLACE : 0;
    return bpf_xdp_attach(ifindex, fd->get(), flags | how, is_known ? &options : nullptr);
  });
  if (!attached) return nullptr;
  return WrapLink(env, program->object, [fd, ifindex, flags] {
    // Only if this program is still the attached one.
    bpf_xdp_attach_opts options;
    InitOptions(options);
    options.old_prog_fd = fd->get();
    bpf_xdp_detach(ifindex, flags | XDP_FLAGS_REPLACE, &options);
  });
}

napi_value Detach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int ifindex = args.i32(0);
  uint32_t flags = args.u32(1);
  bpf_xdp_attach_opts options;
  InitOptions(options);
  options.old_prog_fd = args.i32(2);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_xdp_detach", [&] {
    if (options.old_prog_fd < 0) return bpf_xdp_detach(ifindex, flags, nullptr);
    return bpf_xdp_detach(ifindex, flags | XDP_FLAGS_REPLACE, &options);
  });
  return Undefined(env);
}

// Attaches a program, or none with a descriptor of -1, if the interface still has the expected one.
napi_value Replace(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int ifindex = args.i32(0);
  int fd = args.i32(1);
  int expected = args.i32(2);
  uint32_t flags = args.u32(3);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_xdp_attach", [&] {
    if (expected < 0) return bpf_xdp_attach(ifindex, fd, flags | XDP_FLAGS_UPDATE_IF_NOEXIST, nullptr);
    bpf_xdp_attach_opts options;
    InitOptions(options);
    options.old_prog_fd = expected;
    return bpf_xdp_attach(ifindex, fd, flags | XDP_FLAGS_REPLACE, &options);
  });
  return Undefined(env);
}

// flock(2) of a folder, without waiting.
napi_value Lock(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  if (!args.ok()) return nullptr;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.IsOpen()) return Throw(env, "open", -errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return HandOut(env, std::move(fd));
  return errno == EWOULDBLOCK ? Undefined(env) : Throw(env, "flock", -errno);
}

napi_value Query(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int ifindex = args.i32(0);
  if (!args.ok()) return nullptr;
  bpf_xdp_query_opts options;
  InitOptions(options);
  if (!Call(env, "bpf_xdp_query", [&] { return bpf_xdp_query(ifindex, 0, &options); })) return nullptr;
  auto result = Napi::Object::New(env);
  result["attachMode"] = uint32_t{options.attach_mode};
  result["programId"] = options.prog_id;
  result["nativeProgramId"] = options.drv_prog_id;
  result["genericProgramId"] = options.skb_prog_id;
  result["offloadProgramId"] = options.hw_prog_id;
  result["features"] = Napi::Value(env, ToJs(env, uint64_t{options.feature_flags}));
  result["zeroCopySegments"] = options.xdp_zc_max_segs;
  return result;
}

napi_value InterfaceIndex(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string name = args.string(0);
  if (!args.ok()) return nullptr;
  uint32_t ifindex = if_nametoindex(name.c_str());
  return ifindex != 0 ? ToJs(env, ifindex) : Undefined(env);
}

}  // namespace

void DefineXdp(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programAttachXdpByNetlink", Attach},
             {"xdpDetach", Detach},
             {"xdpReplace", Replace},
             {"lockFolder", Lock},
             {"xdpQuery", Query},
             {"interfaceIndex", InterfaceIndex},
         });
}
