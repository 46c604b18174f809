// What is in the kernel already, because another process has loaded or pinned it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "object.h"
#include "util/call.h"
#include "util/descriptor.h"
#include "util/options.h"

// deps/libbpf-program.c defines it. Missing if the system's libbpf is linked.
extern "C" __attribute__((weak)) bpf_object* libbpf_node_adopt_program(int fd, const char* name,
                                                                       const char* section,
                                                                       bpf_prog_type type);

namespace {

napi_value PinOpen(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  struct bpf_obj_get_opts options;
  InitOptions(options);
  options.file_flags = args.u32(1);
  int folder = args.i32(2);
  if (!args.ok()) return nullptr;
  if (folder >= 0) {
    options.path_fd = folder;
    options.file_flags |= BPF_F_PATH_FD;
  }
  int fd = -1;
  bool opened = Call(env, "bpf_obj_get", [&] { return fd = bpf_obj_get_opts(path.c_str(), &options); });
  return opened ? HandOut(env, UniqueFd(fd)) : nullptr;
}

napi_value PinAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  std::string path = args.string(1);
  struct bpf_obj_pin_opts options;
  InitOptions(options);
  options.path_fd = args.i32(2);
  options.file_flags = BPF_F_PATH_FD;
  if (!args.ok()) return nullptr;
  Call(env, "bpf_obj_pin", [&] { return bpf_obj_pin_opts(fd, path.c_str(), &options); });
  return Undefined(env);
}

napi_value TokenCreate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int folder = args.i32(0);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool made = Call(env, "bpf_token_create", [&] { return fd = bpf_token_create(folder, nullptr); });
  return made ? HandOut(env, UniqueFd(fd)) : nullptr;
}

napi_value DescriptorKind(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  for (const char* kind : {"map", "prog", "link"}) {
    if (IsBpf(kind, fd)) return ToJs(env, kind);
  }
  return Undefined(env);
}

napi_value ProgramAdopt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  std::string name = args.string(1);
  std::string section = args.string(2);
  auto type = static_cast<bpf_prog_type>(args.u32(3));
  if (!args.ok()) return nullptr;
  auto object = std::make_unique<Object>();
  bool adopted = Call(env, "libbpf_node_adopt_program", [&] {
    if (libbpf_node_adopt_program == nullptr) return -EOPNOTSUPP;
    if (!IsBpf("prog", fd)) return -EINVAL;
    UniqueFd copy = UniqueFd::Duplicate(fd);
    if (!copy.IsOpen()) return copy.get();
    object->state->object = libbpf_node_adopt_program(copy.get(), name.c_str(), section.c_str(), type);
    if (object->state->object == nullptr) return -errno;
    copy.Release();
    object->state->tried = true;
    return 0;
  });
  return adopted ? Wrap(env, object.release()) : nullptr;
}

}  // namespace

void DefineForeign(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"pinOpen", PinOpen},
             {"pinAt", PinAt},
             {"tokenCreate", TokenCreate},
             {"descriptorKind", DescriptorKind},
             {"programAdopt", ProgramAdopt},
         });
}
