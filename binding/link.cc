#include "link.h"

#include <bpf/bpf.h>

#include "addon.h"
#include "map.h"
#include "program.h"
#include "util/call.h"
#include "util/descriptor.h"

napi_value WrapLink(napi_env env, bpf_link* link, std::shared_ptr<ObjectState> object, bool struct_ops) {
  auto state = std::make_shared<LinkState>(LinkState{link, std::move(object), struct_ops});
  Environment::Of(env).links.insert(state);
  return Wrap(env, new Link(state));
}

namespace {

napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  if (!args.ok()) return nullptr;
  bpf_link* link = nullptr;
  bool opened = Call(env, "bpf_link__open", [&] {
    link = bpf_link__open(path.c_str());
    if (link == nullptr || IsBpf("link", bpf_link__fd(link))) return ErrorOf(link);
    bpf_link__destroy(link);
    return -EINVAL;
  });
  return opened ? WrapLink(env, link, nullptr) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.closable<Link>(0);
  if (!args.ok() || link->get() == nullptr) return Undefined(env);
  Environment::Of(env).links.erase(link->state);
  link->state->Destroy();
  return Undefined(env);
}

template <int (*Work)(bpf_link*)>
napi_value Do(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(link->get()); });
  return Undefined(env);
}

int Disconnect(bpf_link* link) {
  bpf_link__disconnect(link);
  return 0;
}

napi_value Fd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  return args.ok() ? ToJs(env, int32_t{bpf_link__fd(link->get())}) : nullptr;
}

napi_value PinPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  return args.ok() ? ToJs(env, bpf_link__pin_path(link->get())) : nullptr;
}

napi_value Pin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  std::string path = args.string(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_link__pin", [&] { return bpf_link__pin(link->get(), path.c_str()); });
  return Undefined(env);
}

napi_value UpdateProgram(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  auto* program = args.handle<Program>(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_link__update_program",
       [&] { return bpf_link__update_program(link->get(), program->get()); });
  return Undefined(env);
}

napi_value UpdateMap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  auto* map = args.handle<Map>(1);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_link__update_map", [&] {
    // libbpf takes any link for a struct_ops one and reads beyond its end.
    if (!link->state->struct_ops || map->get() == nullptr) return -EINVAL;
    return bpf_link__update_map(link->get(), map->get());
  });
  return Undefined(env);
}

void AddDetails(napi_env env, const bpf_link_info& info, const char* name, Napi::Object result) {
  auto add = [&](const char* key, uint32_t value) { result[key] = value; };
  switch (info.type) {
    case BPF_LINK_TYPE_RAW_TRACEPOINT:
      result["name"] = std::string(name);
      break;
    case BPF_LINK_TYPE_TRACING:
      add("attachType", info.tracing.attach_type);
      add("targetObjectId", info.tracing.target_obj_id);
      add("targetBtfId", info.tracing.target_btf_id);
      break;
    case BPF_LINK_TYPE_CGROUP:
      result["cgroupId"] = Napi::Value(env, ToJs(env, uint64_t{info.cgroup.cgroup_id}));
      add("attachType", info.cgroup.attach_type);
      break;
    case BPF_LINK_TYPE_ITER:
      result["name"] = std::string(name);
      add("mapId", info.iter.map.map_id);
      break;
    case BPF_LINK_TYPE_NETNS:
      add("netnsInode", info.netns.netns_ino);
      add("attachType", info.netns.attach_type);
      break;
    case BPF_LINK_TYPE_XDP:
      add("ifindex", info.xdp.ifindex);
      break;
    case BPF_LINK_TYPE_STRUCT_OPS:
      add("mapId", info.struct_ops.map_id);
      break;
    case BPF_LINK_TYPE_NETFILTER:
      add("protocolFamily", info.netfilter.pf);
      add("hook", info.netfilter.hooknum);
      result["priority"] = info.netfilter.priority;
      break;
    case BPF_LINK_TYPE_TCX:
      add("ifindex", info.tcx.ifindex);
      add("attachType", info.tcx.attach_type);
      break;
    case BPF_LINK_TYPE_NETKIT:
      add("ifindex", info.netkit.ifindex);
      add("attachType", info.netkit.attach_type);
      break;
    case BPF_LINK_TYPE_SOCKMAP:
      add("mapId", info.sockmap.map_id);
      add("attachType", info.sockmap.attach_type);
      break;
  }
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* link = args.handle<Link>(0);
  if (!args.ok()) return nullptr;
  bpf_link_info found = {};
  char name[256] = "";
  bool known = Call(env, "bpf_link_get_info_by_fd", [&] {
    int fd = bpf_link__fd(link->get());
    uint32_t size = sizeof(found);
    int error = bpf_link_get_info_by_fd(fd, &found, &size);
    if (error != 0) return error;
    // A second time with room for the name, which stands elsewhere for each type.
    uint32_t type = found.type;
    found = {};
    size = sizeof(found);
    if (type == BPF_LINK_TYPE_RAW_TRACEPOINT) {
      found.raw_tracepoint.tp_name = reinterpret_cast<uintptr_t>(name);
      found.raw_tracepoint.tp_name_len = sizeof(name);
    } else if (type == BPF_LINK_TYPE_ITER) {
      found.iter.target_name = reinterpret_cast<uintptr_t>(name);
      found.iter.target_name_len = sizeof(name);
    }
    return bpf_link_get_info_by_fd(fd, &found, &size);
  });
  if (!known) return nullptr;
  auto result = Napi::Object::New(env);
  result["type"] = found.type;
  result["id"] = found.id;
  result["programId"] = found.prog_id;
  AddDetails(env, found, name, result);
  return result;
}

}  // namespace

void DefineLink(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"linkOpen", Open},
             {"linkClose", Close},
             {"linkFd", Fd},
             {"linkDetach", Do<bpf_link__detach>, "bpf_link__detach"},
             {"linkDisconnect", Do<Disconnect>, "bpf_link__disconnect"},
             {"linkPin", Pin},
             {"linkUnpin", Do<bpf_link__unpin>, "bpf_link__unpin"},
             {"linkPinPath", PinPath},
             {"linkUpdateProgram", UpdateProgram},
             {"linkUpdateMap", UpdateMap},
             {"linkInfo", Info},
         });
}
