// The elements of a map: looked up, updated, deleted and walked, one by one or in batches.
#include <memory>

#include "addon.h"
#include "map.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

// ---- Elements

// The sizes of keys and values in a system call, as the kernel knows them. It writes that many bytes,
// even if libbpf expects another size.
struct Sizes {
  uint32_t key = 0;
  uint64_t value = 0;
};

bool ReadSizes(napi_env env, const Map& map, Sizes* sizes) {
  bpf_map_info info;
  // Before the map is in the kernel, its sizes can still change.
  if (map.fd() < 0) {
    napi_throw_error(env, "ERR_BPF_STATE", "the map is not in the kernel");
    return false;
  }
  if (!Call(env, "bpf_map_get_info_by_fd", [&] { return ReadMapInfo(map.fd(), info); })) return false;
  sizes->key = info.key_size;
  sizes->value = info.value_size;
  switch (info.type) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: {
      int cpus = 0;
      if (!Call(env, "libbpf_num_possible_cpus", [&] { return cpus = libbpf_num_possible_cpus(); }))
        return false;
      sizes->value = ((uint64_t{info.value_size} + 7) & ~uint64_t{7}) * static_cast<uint64_t>(cpus);
    }
  }
  return true;
}

napi_value ValueBytes(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  Sizes sizes;
  if (!args.ok() || !ReadSizes(env, *map, &sizes)) return nullptr;
  napi_value result = nullptr;
  napi_create_int64(env, static_cast<int64_t>(sizes.value), &result);
  return result;
}

napi_value Bind(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  Bytes key = args.bytes(1);
  Bytes value = args.bytes(2);
  Sizes sizes;
  if (!args.ok() || !ReadSizes(env, *map, &sizes)) return nullptr;
  if (key.size != sizes.key) args.Reject(1, "is not as long as the map's key");
  if (value.size != sizes.value) args.Reject(2, "is not as long as the map's value");
  if (!args.ok()) return nullptr;
  map->env = env;
  for (int i = 0; i < 2; i++) {
    if (map->buffers[i] != nullptr) napi_delete_reference(env, map->buffers[i]);
    napi_create_reference(env, args[1 + i], 1, &map->buffers[i]);
  }
  // For maps without keys, the kernel insists on a null pointer.
  map->key = key.size > 0 ? key.data : nullptr;
  map->value = value.size > 0 ? value.data : nullptr;
  map->key_size = key.size;
  map->value_size = value.size;
  map->bound = true;
  return Undefined(env);
}

Map* Bound(napi_env env, Args& args) {
  auto* map = args.handle<Map>(0);
  if (map == nullptr || map->bound) return map;
  napi_throw_error(env, "ERR_BPF_STATE", "the map has no buffers");
  return nullptr;
}

// Callers leave out flags that are 0.
uint64_t Flags(Args& args) { return args.count() > 1 ? args.u53(1) : 0; }

// Ends a call in which a missing key is not an error. For success it returns `undefined`, which costs
// nothing. libbpf prints nothing in these calls, so no messages are captured.
napi_value Found(napi_env env, const char* operation, int error) {
  if (error == 0) return nullptr;
  return error == -ENOENT ? ToJs(env, false) : Throw(env, operation, error);
}

napi_value Lookup(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_lookup_elem", bpf_map_lookup_elem_flags(map->fd(), map->key, map->value, flags));
}

napi_value Update(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  int error = bpf_map_update_elem(map->fd(), map->key, map->value, flags);
  return error == 0 ? nullptr : Throw(env, "bpf_map_update_elem", error);
}

napi_value Delete(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_delete_elem", bpf_map_delete_elem(map->fd(), map->key));
}

napi_value LookupAndDelete(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_lookup_and_delete_elem",
               bpf_map_lookup_and_delete_elem_flags(map->fd(), map->key, map->value, flags));
}

napi_value NextKey(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  bool first = args.boolean(1);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_get_next_key",
               bpf_map_get_next_key(map->fd(), first ? nullptr : map->key, map->key));
}

// ---- Batches

// A Uint32Array of one element. It holds the number of entries that are given or have room, and then the
// number of entries that were processed.
uint32_t* Count(napi_env env, Args& args, size_t i) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (!args.ok()) return nullptr;
  if (napi_get_typedarray_info(env, args[i], &type, &length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint32_array && length == 1) {
    return static_cast<uint32_t*>(data);
  }
  args.Reject(i, "is not a Uint32Array of one element");
  return nullptr;
}

// The kernel stores the number of a bucket or a key in the cursor.
size_t CursorSize(const Map& map) {
  return map.key_size < sizeof(uint32_t) ? sizeof(uint32_t) : map.key_size;
}

bool Fits(const Bytes& bytes, size_t element, uint32_t count) {
  return element == 0 || bytes.size / element >= count;
}

napi_value LookupBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes cursor = args.bytes(1);
  bool first = args.boolean(2);
  Bytes keys = args.bytes(3);
  Bytes values = args.bytes(4);
  uint32_t* count = Count(env, args, 5);
  uint64_t flags = args.u53(6);
  bool take = args.boolean(7);
  if (!args.ok() || map == nullptr) return nullptr;
  if (cursor.size < CursorSize(*map)) args.Reject(1, "is too short");
  if (!Fits(keys, map->key_size, *count)) args.Reject(3, "is too short");
  if (!Fits(values, map->value_size, *count)) args.Reject(4, "is too short");
  if (!args.ok()) return nullptr;
  bpf_map_batch_opts options;
  InitOptions(options);
  options.elem_flags = flags;
  auto* lookup = take ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
  int error =
      lookup(map->fd(), first ? nullptr : cursor.data, cursor.data, keys.data, values.data, count, &options);
  if (error == 0 || error == -ENOENT) return ToJs(env, error == 0);
  return Throw(env, take ? "bpf_map_lookup_and_delete_batch" : "bpf_map_lookup_batch", error);
}

// One system call for each key: the kernel has no batch that looks up keys.
napi_value LookupMany(napi_env env, napi_callback_info info) {
  Args args(env, info, 5);
  Map* map = Bound(env, args);
  Bytes keys = args.bytes(1);
  Bytes values = args.bytes(2);
  Bytes found = args.bytes(3);
  uint32_t count = args.u32(4);
  if (!args.ok() || map == nullptr) return nullptr;
  if (!Fits(keys, map->key_size, count)) args.Reject(1, "is too short");
  if (!Fits(values, map->value_size, count)) args.Reject(2, "is too short");
  if (!Fits(found, 1, count)) args.Reject(3, "is too short");
  if (!args.ok()) return nullptr;
  for (uint32_t i = 0; i < count; i++) {
    // For maps without keys, the kernel insists on a null pointer.
    const uint8_t* key = map->key_size > 0 ? keys.data + i * map->key_size : nullptr;
    int error = bpf_map_lookup_elem(map->fd(), key, values.data + i * map->value_size);
    if (error != 0 && error != -ENOENT) return Throw(env, "bpf_map_lookup_elem", error);
    found.data[i] = error == 0;
  }
  return nullptr;
}

napi_value UpdateBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes keys = args.bytes(1);
  Bytes values = args.bytes(2);
  uint32_t* count = Count(env, args, 3);
  uint64_t flags = args.u53(4);
  if (!args.ok() || map == nullptr) return nullptr;
  if (!Fits(keys, map->key_size, *count)) args.Reject(1, "is too short");
  if (!Fits(values, map->value_size, *count)) args.Reject(2, "is too short");
  if (!args.ok()) return nullptr;
  bpf_map_batch_opts options;
  InitOptions(options);
  options.elem_flags = flags;
  int error = bpf_map_update_batch(map->fd(), keys.data, values.data, count, &options);
  return error == 0 ? Undefined(env) : Throw(env, "bpf_map_update_batch", error);
}

napi_value DeleteBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes keys = args.bytes(1);
  uint32_t* count = Count(env, args, 2);
  if (!args.ok() || map == nullptr) return nullptr;
  if (!Fits(keys, map->key_size, *count)) args.Reject(1, "is too short");
  if (!args.ok()) return nullptr;
  int error = bpf_map_delete_batch(map->fd(), keys.data, count, nullptr);
  if (error == 0 || error == -ENOENT) return ToJs(env, error == 0);
  return Throw(env, "bpf_map_delete_batch", error);
}

// ---- Batches on libuv's thread pool

// A batch owns everything that it needs: while it is read, the map may be closed.
struct Batch {
  UniqueFd fd;
  bool first = false;
  bool more = false;
  uint32_t count = 0;
  size_t key_size = 0;
  size_t value_size = 0;
  OwnedBytes cursor, keys, values;

  int Read() {
    uint8_t* at = cursor.data();
    int error =
        bpf_map_lookup_batch(fd.get(), first ? nullptr : at, at, keys.data(), values.data(), &count, nullptr);
    more = error == 0;
    return error == -ENOENT ? 0 : error;
  }

  // Null, with an exception, if there is no memory for it.
  napi_value Result(napi_env env) {
    napi_value copies[] = {nullptr, nullptr, nullptr};
    if ((copies[0] = CopyBytes(env, cursor.data(), cursor.size())) == nullptr ||
        (copies[1] = CopyBytes(env, keys.data(), count * key_size)) == nullptr ||
        (copies[2] = CopyBytes(env, values.data(), count * value_size)) == nullptr) {
      return nullptr;
    }
    auto result = Napi::Object::New(env);
    result["count"] = count;
    result["more"] = more;
    result["cursor"] = Napi::Value(env, copies[0]);
    result["keys"] = Napi::Value(env, copies[1]);
    result["values"] = Napi::Value(env, copies[2]);
    return result;
  }
};

napi_value LookupBatchAsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  auto cursor = args.optionalBytes(1);
  uint32_t room = args.u32(2);
  if (!args.ok() || map == nullptr) return nullptr;
  auto batch = std::make_shared<Batch>();
  batch->first = !cursor;
  batch->count = room;
  batch->key_size = map->key_size;
  batch->value_size = map->value_size;
  size_t cursor_size = CursorSize(*map);
  if (cursor && cursor->size != cursor_size) args.Reject(1, "is not a cursor of this map");
  batch->cursor = cursor ? OwnedBytes::CopyOf(cursor->data, cursor->size) : OwnedBytes::Zeroed(cursor_size);
  batch->keys = OwnedBytes::Zeroed(room * batch->key_size);
  batch->values = OwnedBytes::Zeroed(room * batch->value_size);
  if (batch->cursor.failed() || batch->keys.failed() || batch->values.failed())
    args.Reject(2, "needs more memory than there is");
  if (!args.ok()) return nullptr;
  batch->fd = UniqueFd::Duplicate(map->fd());
  if (!batch->fd.IsOpen()) return Throw(env, "fcntl", batch->fd.get());
  return CallAsync(
      env, "bpf_map_lookup_batch", [batch] { return batch->Read(); }, [](int) {},
      [batch](napi_env env) { return batch->Result(env); });
}

}  // namespace

void DefineMapElements(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"mapValueBytes", ValueBytes},
             {"mapBind", Bind},
             {"mapLookup", Lookup},
             {"mapUpdate", Update},
             {"mapDelete", Delete},
             {"mapLookupAndDelete", LookupAndDelete},
             {"mapNextKey", NextKey},
             {"mapLookupBatch", LookupBatch},
             {"mapLookupMany", LookupMany},
             {"mapUpdateBatch", UpdateBatch},
             {"mapDeleteBatch", DeleteBatch},
             {"mapLookupBatchAsync", LookupBatchAsync},
         });
}
