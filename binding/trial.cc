// A program that does nothing, loaded and attached and taken back: whether this kernel lets anybody.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"

namespace {

bool GoesToBtf(bpf_prog_type type) { return type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM; }

int Load(bpf_prog_type type, bpf_attach_type attach_type, bool sleepable, const char* target) {
  // Returns 0: for what is attached, that the rest goes on. Of some that are only loaded the verifier wants
  // a 1.
  bpf_insn instructions[2] = {};
  instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  instructions[0].imm = type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
  instructions[1].code = BPF_JMP | BPF_EXIT;
  bpf_prog_load_opts options;
  Clear(options);
  options.expected_attach_type = attach_type;
  if (sleepable) options.prog_flags = BPF_F_SLEEPABLE;
  if (GoesToBtf(type) && target != nullptr) {
    int id = libbpf_find_vmlinux_btf_id(target, attach_type);
    if (id < 0) return id;
    options.attach_btf_id = static_cast<uint32_t>(id);
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
    Clear(options);
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
  auto target = args.optionalString(3);
  if (!args.ok()) return nullptr;
  int program = -1;
  bool loaded = Call(env, "bpf_prog_load", [&] {
    return program = Load(type, attach_type, sleepable, target ? target->c_str() : nullptr);
  });
  if (!loaded) return nullptr;
  if (target) {
    Call(env, "bpf_link_create", [&] {
      int link = Attach(program, type, attach_type, target->c_str());
      if (link > 0) close(link);
      return link;
    });
  }
  close(program);
  return Undefined(env);
}

}  // namespace

void DefineTrial(napi_env env, napi_value exports) { Define(env, exports, {{"trial", Trial}}); }
