#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "util/call.h"

namespace {

// `data` is the function's name.
template <int (*Next)(__u32, __u32*)>
napi_value NextId(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  if (!args.ok()) return nullptr;
  bool is_last = false;
  bool known = Call(env, static_cast<const char*>(args.data()), [&] {
    int error = Next(id, &id);
    is_last = error == -ENOENT;
    return is_last ? 0 : error;
  });
  if (!known) return nullptr;
  return is_last ? Undefined(env) : ToJs(env, id);
}

napi_value ProbeMapType(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_map_type>(args.u32(0));
  if (!args.ok()) return nullptr;
  int answer = 0;
  bool known = Call(env, "libbpf_probe_bpf_map_type",
                    [&] { return answer = libbpf_probe_bpf_map_type(type, nullptr); });
  return known ? ToJs(env, answer == 1) : nullptr;
}

}  // namespace

void DefineQuery(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programNextId", NextId<bpf_prog_get_next_id>, "bpf_prog_get_next_id"},
             {"mapNextId", NextId<bpf_map_get_next_id>, "bpf_map_get_next_id"},
             {"linkNextId", NextId<bpf_link_get_next_id>, "bpf_link_get_next_id"},
             {"btfNextId", NextId<bpf_btf_get_next_id>, "bpf_btf_get_next_id"},
             {"probeMapType", ProbeMapType},
         });
}
