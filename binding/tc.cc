// Classifiers of traffic control. libbpf's bpf_tc_* functions use netlink.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "program.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/options.h"

namespace {

// Reads the first three arguments of each function: the interface, the attach point and, for BPF_TC_CUSTOM,
// the parent.
bpf_tc_hook Hook(Args& args) {
  bpf_tc_hook hook;
  InitOptions(hook);
  hook.ifindex = args.i32(0);
  // Without BPF_TC_QDISC, for which libbpf would read the name of a qdisc.
  hook.attach_point =
      static_cast<bpf_tc_attach_point>(args.integer(1, 0, BPF_TC_INGRESS | BPF_TC_EGRESS | BPF_TC_CUSTOM));
  hook.parent = args.u32(2);
  return hook;
}

napi_value ToJs(napi_env env, const bpf_tc_opts& options) {
  auto result = Napi::Object::New(env);
  result["handle"] = options.handle;
  result["priority"] = options.priority;
  result["programId"] = options.prog_id;
  return result;
}

// Calls bpf_tc_hook_create or bpf_tc_hook_destroy, whichever is in `data`.
template <int (*Work)(bpf_tc_hook*)>
napi_value OnHook(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_tc_hook hook = Hook(args);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(&hook); });
  return Undefined(env);
}

// The same for a qdisc that is named, such as one that a program implements.
template <int (*Work)(bpf_tc_hook*)>
napi_value OnQdisc(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_tc_hook hook;
  InitOptions(hook);
  constexpr int kQdisc = 8;
  hook.attach_point = static_cast<bpf_tc_attach_point>(kQdisc);
  hook.ifindex = args.i32(0);
  hook.parent = args.u32(1);
  uint32_t handle = args.u32(2);
  std::string name = args.string(3);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()),
       [&] { return SetQdisc(hook, handle, name.c_str(), 0) ? Work(&hook) : -EOPNOTSUPP; });
  return Undefined(env);
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_tc_hook hook = Hook(args);
  auto* program = args.handle<Program>(3);
  bpf_tc_opts options;
  InitOptions(options);
  options.handle = args.u32(4);
  options.priority = args.u32(5);
  options.flags = args.boolean(6) ? BPF_TC_F_REPLACE : 0;
  if (!args.ok()) return nullptr;
  bool attached = Call(env, "bpf_tc_attach", [&] {
    options.prog_fd = bpf_program__fd(program->get());
    return options.prog_fd < 0 ? -EBADF : bpf_tc_attach(&hook, &options);
  });
  return attached ? ToJs(env, options) : nullptr;
}

napi_value Detach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_tc_hook hook = Hook(args);
  bpf_tc_opts options;
  InitOptions(options);
  options.handle = args.u32(3);
  options.priority = args.u32(4);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_tc_detach", [&] { return bpf_tc_detach(&hook, &options); });
  return Undefined(env);
}

napi_value Query(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_tc_hook hook = Hook(args);
  bpf_tc_opts options;
  InitOptions(options);
  options.handle = args.u32(3);
  options.priority = args.u32(4);
  if (!args.ok()) return nullptr;
  bool known = Call(env, "bpf_tc_query", [&] { return bpf_tc_query(&hook, &options); });
  return known ? ToJs(env, options) : nullptr;
}

}  // namespace

void DefineTc(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"tcHookCreate", OnHook<bpf_tc_hook_create>, "bpf_tc_hook_create"},
             {"tcHookDestroy", OnHook<bpf_tc_hook_destroy>, "bpf_tc_hook_destroy"},
             {"qdiscCreate", OnQdisc<bpf_tc_hook_create>, "bpf_tc_hook_create"},
             {"qdiscDestroy", OnQdisc<bpf_tc_hook_destroy>, "bpf_tc_hook_destroy"},
             {"tcAttach", Attach},
             {"tcDetach", Detach},
             {"tcQuery", Query},
         });
}
