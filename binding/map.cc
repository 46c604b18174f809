// The life of a map: created, opened by descriptor, id or pin, frozen, pinned, attached, closed.
#include "map.h"

#include <unistd.h>

#include "addon.h"
#include "link.h"
#include "pins.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/descriptor.h"
#include "util/options.h"

Map::~Map() { Close(); }

void Map::Close() {
  for (napi_ref& buffer : buffers) {
    if (buffer != nullptr) napi_delete_reference(env, buffer);
    buffer = nullptr;
  }
  bound = false;
  fd_.Reset();
}

bpf_map* Declared(napi_env env, Args& args) {
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  if (map->get() == nullptr) napi_throw_error(env, "ERR_BPF_STATE", "the map belongs to no object");
  return map->get();
}

namespace {

napi_value Freeze(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_map_freeze", [&] { return bpf_map_freeze(map->fd()); });
  return Undefined(env);
}

// ---- Pins and descriptors

napi_value Pin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto path = args.optionalString(1);
  if (!args.ok()) return nullptr;
  const char* target = path ? path->c_str() : nullptr;
  if (map->get() != nullptr) {
    Call(env, "bpf_map__pin", [&] { return PinMap(map->get(), target); });
  } else {
    Call(env, "bpf_obj_pin", [&] { return target != nullptr ? bpf_obj_pin(map->fd(), target) : -EINVAL; });
  }
  return Undefined(env);
}

napi_value Unpin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto path = args.optionalString(1);
  if (!args.ok()) return nullptr;
  const char* target = path ? path->c_str() : nullptr;
  if (map->get() != nullptr) {
    Call(env, "bpf_map__unpin", [&] { return bpf_map__unpin(map->get(), target); });
  } else {
    Call(env, "unlink", [&] { return target != nullptr ? ErrnoOf(unlink(target)) : -EINVAL; });
  }
  return Undefined(env);
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  bpf_map_info found;
  if (!Call(env, "bpf_map_get_info_by_fd", [&] { return ReadMapInfo(map->fd(), found); })) return nullptr;
  auto result = Napi::Object::New(env);
  result["type"] = found.type;
  result["id"] = found.id;
  result["name"] = std::string(found.name, strnlen(found.name, sizeof(found.name)));
  result["keySize"] = found.key_size;
  result["valueSize"] = found.value_size;
  result["maxEntries"] = found.max_entries;
  result["flags"] = found.map_flags;
  result["ifindex"] = found.ifindex;
  result["btfId"] = found.btf_id;
  result["btfKeyTypeId"] = found.btf_key_type_id;
  result["btfValueTypeId"] = found.btf_value_type_id;
  result["btfVmlinuxValueTypeId"] = found.btf_vmlinux_value_type_id;
  result["netnsDev"] = Napi::Value(env, ToJs(env, uint64_t{found.netns_dev}));
  result["netnsIno"] = Napi::Value(env, ToJs(env, uint64_t{found.netns_ino}));
  result["extra"] = Napi::Value(env, ToJs(env, uint64_t{found.map_extra}));
  return result;
}

// Makes a handle that owns the descriptor, if it is that of a map.
napi_value Adopt(napi_env env, UniqueFd fd) {
  bpf_map_info found;
  bool is_map = Call(env, "bpf_map_get_info_by_fd",
                     [&] { return IsBpf("map", fd.get()) ? ReadMapInfo(fd.get(), found) : -EINVAL; });
  return is_map ? Wrap(env, new Map(std::move(fd), found)) : nullptr;
}

napi_value Create(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_map_type>(args.u32(0));
  auto name = args.optionalString(1);
  uint32_t key_size = args.u32(2);
  uint32_t value_size = args.u32(3);
  uint32_t max_entries = args.u32(4);
  bpf_map_create_opts options;
  InitOptions(options);
  options.map_flags = args.u32(5);
  options.map_extra = args.bigint(6);
  options.numa_node = args.u32(7);
  options.inner_map_fd = static_cast<uint32_t>(args.i32(8));
  options.map_ifindex = args.u32(9);
  int btf_fd = args.i32(10);
  options.btf_key_type_id = args.u32(11);
  options.btf_value_type_id = args.u32(12);
  int token_fd = args.i32(13);
  auto exclusive_hash = args.optionalBytes(14);
  bool requires_btf = args.boolean(15);
  if (!args.ok()) return nullptr;
  if (token_fd >= 0) {
    options.token_fd = static_cast<uint32_t>(token_fd);
    options.map_flags |= BPF_F_TOKEN_FD;
  }
  int fd = -1;
  auto create = [&] {
    return fd = bpf_map_create(type, name ? name->c_str() : nullptr, key_size, value_size, max_entries,
                               &options);
  };
  bool created = Call(env, "bpf_map_create", [&] {
    if (exclusive_hash &&
        !SetExclusiveHash(options, exclusive_hash->data, static_cast<uint32_t>(exclusive_hash->size), 0)) {
      return -EOPNOTSUPP;
    }
    options.btf_fd = static_cast<uint32_t>(btf_fd);
    if (btf_fd >= 0 && (create() >= 0 || requires_btf)) return fd;
    // Not every kind of map can have BTF types, nor every kernel. libbpf tries again without them, too.
    options.btf_fd = options.btf_key_type_id = options.btf_value_type_id = 0;
    return create();
  });
  return created ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value FromFd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  UniqueFd copy;
  bool copied = Call(env, "fcntl", [&] {
    copy = UniqueFd::Duplicate(fd);
    return copy.get();
  });
  return copied ? Adopt(env, std::move(copy)) : nullptr;
}

napi_value FromId(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  bpf_get_fd_by_id_opts options;
  InitOptions(options);
  options.open_flags = args.u32(1);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened =
      Call(env, "bpf_map_get_fd_by_id", [&] { return fd = bpf_map_get_fd_by_id_opts(id, &options); });
  return opened ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value FromPin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  struct bpf_obj_get_opts options;
  InitOptions(options);
  options.file_flags = args.u32(1);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened = Call(env, "bpf_obj_get", [&] { return fd = bpf_obj_get_opts(path.c_str(), &options); });
  return opened ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.closable<Map>(0);
  if (args.ok()) map->Close();
  return Undefined(env);
}

napi_value AttachStructOps(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (map == nullptr) return nullptr;
  bpf_link* link = nullptr;
  if (!Call(env, "bpf_map__attach_struct_ops",
            [&] { return ErrorOf(link = bpf_map__attach_struct_ops(map)); })) {
    return nullptr;
  }
  return WrapLink(env, link, args.handle<Map>(0)->object, true);
}
}  // namespace

void DefineMap(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"mapFd",
              [](napi_env env, napi_callback_info info) {
                Args args(env, info);
                auto* map = args.handle<Map>(0);
                return args.ok() ? ToJs(env, int32_t{map->fd()}) : nullptr;
              }},
             {"mapFreeze", Freeze},
             {"mapPin", Pin},
             {"mapUnpin", Unpin},
             {"mapInfo", Info},
             {"mapCreate", Create},
             {"mapFromFd", FromFd},
             {"mapFromId", FromId},
             {"mapFromPin", FromPin},
             {"mapClose", Close},
             {"mapAttachStructOps", AttachStructOps},
         });
}
