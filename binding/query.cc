#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstring>
#include <vector>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"

namespace {

// `data` is the name of the function.
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

// The ids that bpf_prog_query_opts returns.
napi_value Ids(napi_env env, const std::vector<uint32_t>& ids) {
  auto result = Napi::Array::New(env);
  for (uint32_t i = 0; i < ids.size(); i++) result.Set(i, ids[i]);
  return result;
}

napi_value QueryAttached(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int target = args.i32(0);
  auto type = static_cast<bpf_attach_type>(args.integer(1, 0, __MAX_BPF_ATTACH_TYPE - 1));
  uint32_t flags = args.u32(2);
  bool with_links = args.boolean(3);
  if (!args.ok()) return nullptr;
  std::vector<uint32_t> programs, links;
  struct bpf_prog_query_opts options;
  bool known = Call(env, "bpf_prog_query_opts", [&] {
    int error = 0;
    uint32_t room = 0;
    // Asks for the number, then for the ids, and again if there are more by then.
    for (int i = 0; i < 8; i++) {
      memset(&options, 0, sizeof(options));
      options.sz = sizeof(options);
      options.query_flags = flags;
      options.count = room;
      programs.resize(room);
      links.resize(with_links ? room : 0);
      if (room > 0) {
        options.prog_ids = programs.data();
        if (with_links) options.link_ids = links.data();
      }
      error = bpf_prog_query_opts(target, type, &options);
      if (error != 0 && error != -ENOSPC) return error;
      if (error == 0 && options.count <= room) break;
      room = options.count;
    }
    return error;
  });
  if (!known) return nullptr;
  uint32_t count = options.count < programs.size() ? options.count : static_cast<uint32_t>(programs.size());
  programs.resize(count);
  if (with_links) links.resize(count);
  auto result = Napi::Object::New(env);
  result["attachFlags"] = options.attach_flags;
  result["programIds"] = Napi::Value(env, Ids(env, programs));
  result["linkIds"] = Napi::Value(env, Ids(env, links));
  result["revision"] = Napi::Value(env, ToJs(env, uint64_t{options.revision}));
  return result;
}

}  // namespace

void DefineQuery(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programNextId", NextId<bpf_prog_get_next_id>, "bpf_prog_get_next_id"},
             {"mapNextId", NextId<bpf_map_get_next_id>, "bpf_map_get_next_id"},
             {"linkNextId", NextId<bpf_link_get_next_id>, "bpf_link_get_next_id"},
             {"btfNextId", NextId<bpf_btf_get_next_id>, "bpf_btf_get_next_id"},
             {"queryAttached", QueryAttached},
         });
}
