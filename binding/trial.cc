// Loads a program that does nothing, attaches it, and removes it again: to find out whether this kernel
// allows it.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <optional>
#include <string>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

bool GoesToBtf(bpf_prog_type type) { return type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM; }

// The kernel's descriptor of a module's types, or a negative errno.
UniqueFd OpenModule(const std::string& module) {
  uint32_t id = 0;
  while (bpf_btf_get_next_id(id, &id) == 0) {
    UniqueFd fd(bpf_btf_get_fd_by_id(id));
    // The module may have been unloaded in the meantime.
    if (fd.get() == -ENOENT) continue;
    if (!fd.IsOpen()) return fd;
    char name[64] = "";
    bpf_btf_info info;
    Zero(info);
    info.name = reinterpret_cast<uintptr_t>(name);
    info.name_len = sizeof(name);
    uint32_t size = sizeof(info);
    if (bpf_btf_get_info_by_fd(fd.get(), &info, &size) == 0 && info.kernel_btf && module == name) return fd;
  }
  return UniqueFd(-errno);
}

int FindInModule(const std::string& module, const std::string& target, bpf_attach_type attach_type) {
  btf* kernel = btf__load_vmlinux_btf();
  if (!kernel) return -errno;
  btf* types = btf__load_module_btf(module.c_str(), kernel);
  int id = -errno;
  if (types && attach_type == BPF_TRACE_RAW_TP) {
    id = btf__find_by_name_kind(types, ("btf_trace_" + target).c_str(), BTF_KIND_TYPEDEF);
  } else if (types) {
    id = btf__find_by_name_kind(types, target.c_str(), BTF_KIND_FUNC);
  }
  btf__free(types);
  btf__free(kernel);
  return id;
}

struct Hook {
  std::optional<std::string> name;
  std::optional<std::string> module;

  const char* c_str() const { return name ? name->c_str() : nullptr; }
};

int Load(bpf_prog_type type, bpf_attach_type attach_type, bool sleepable, const Hook& hook) {
  // The program returns 0, with which an attached program changes nothing. The verifier requires a 1 of
  // cgroup_sock_addr programs, which are only loaded here.
  bpf_insn instructions[2] = {};
  instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  instructions[0].imm = type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
  instructions[1].code = BPF_JMP | BPF_EXIT;
  bpf_prog_load_opts options;
  InitOptions(options);
  options.expected_attach_type = attach_type;
  if (sleepable) options.prog_flags = BPF_F_SLEEPABLE;
  UniqueFd module;
  if (GoesToBtf(type) && hook.name) {
    int id = hook.module ? FindInModule(*hook.module, *hook.name, attach_type)
                         : libbpf_find_vmlinux_btf_id(hook.c_str(), attach_type);
    if (id < 0) return id;
    options.attach_btf_id = static_cast<uint32_t>(id);
    if (hook.module) {
      module = OpenModule(*hook.module);
      if (!module.IsOpen()) return module.get();
      options.attach_btf_obj_fd = static_cast<uint32_t>(module.get());
    }
  }
  return bpf_prog_load(type, "trial", "GPL", instructions, 2, &options);
}

int Attach(int program, bpf_prog_type type, bpf_attach_type attach_type, const char* target) {
  if (type == BPF_PROG_TYPE_RAW_TRACEPOINT) return bpf_raw_tracepoint_open(target, program);
  if (GoesToBtf(type) && attach_type != BPF_TRACE_ITER && attach_type != BPF_LSM_CGROUP) {
    return bpf_link_create(program, 0, attach_type, nullptr);
  }
  if (type == BPF_PROG_TYPE_KPROBE) {
    bpf_link_create_opts options;
    InitOptions(options);
    options.kprobe_multi.syms = &target;
    options.kprobe_multi.cnt = 1;
    return bpf_link_create(program, 0, attach_type, &options);
  }
  return 0;
}

napi_value Trial(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_prog_type>(args.u32(0));
  auto attach_type = static_cast<bpf_attach_type>(args.u32(1));
  bool sleepable = args.boolean(2);
  Hook hook = {args.optionalString(3), args.optionalString(4)};
  if (!args.ok()) return nullptr;
  UniqueFd program;
  bool loaded = Call(env, "bpf_prog_load", [&] {
    program.Reset(Load(type, attach_type, sleepable, hook));
    return program.get();
  });
  if (!loaded) return nullptr;
  if (hook.name) {
    Call(env, "bpf_link_create", [&] {
      int link = Attach(program.get(), type, attach_type, hook.c_str());
      UniqueFd attached(link > 0 ? link : -1);
      return link;
    });
  }
  return Undefined(env);
}

}  // namespace

void DefineTrial(napi_env env, napi_value exports) { Define(env, exports, {{"trial", Trial}}); }
