// The elements of a map: looked up, updated, deleted and walked, one by one or in batches.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "addon.h"
#include "map.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

// ---- Elements

// How long keys and values are in a system call, by the kernel's own word: libbpf's may differ, and the
// kernel writes what it thinks.
struct Sizes {
  uint32_t key = 0;
  uint64_t value = 0;
};

bool KnowSizes(napi_env env, const Map& map, Sizes* sizes) {
  bpf_map_info info;
  // Sizes are final once the map is in the kernel.
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
  if (!args.ok() || !KnowSizes(env, *map, &sizes)) return nullptr;
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
  if (!args.ok() || !KnowSizes(env, *map, &sizes)) return nullptr;
  if (key.size != sizes.key) args.Reject(1, "is not as long as the map's key");
  if (value.size != sizes.value) args.Reject(2, "is not as long as the map's value");
  if (!args.ok()) return nullptr;
  map->env = env;
  for (int i = 0; i < 2; i++) {
    if (map->buffers[i] != nullptr) napi_delete_reference(env, map->buffers[i]);
    napi_create_reference(env, args[1 + i], 1, &map->buffers[i]);
  }
  // The kernel wants no key at all for maps without one.
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

// Flags are given where they are not 0.
uint64_t Flags(Args& args) { return args.count() > 1 ? args.u53(1) : 0; }

// The end of a call for which a missing key is an answer. Success is `undefined`, which costs nothing. libbpf
// prints nothing in these calls, so nothing is captured.
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

// Counts that go in and out: how many entries there is room for, or are given, and how many it came to.
uint32_t* Count(napi_env env, Args& args, size_t i) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (!args.ok()) return nullptr;
  if (napi_get_typedarray_info(env, args[i], &type, &length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint32_array && length == 1) {
    return static_cast<uint32_t*>(data);
  }
  args.Reject(i, "is not a Uint32Array of one");
  return nullptr;
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
  // The kernel keeps a bucket's number or a key in it.
  if (cursor.size < sizeof(uint32_t) || cursor.size < map->key_size) args.Reject(1, "is too short");
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

struct Free {
  void operator()(uint8_t* memory) const { free(memory); }
};
using Memory = std::unique_ptr<uint8_t, Free>;

// All that a batch needs is its own: the map may be closed meanwhile, and buffers of JavaScript detached.
struct Batch {
  UniqueFd fd;
  bool first = false;
  bool more = false;
  uint32_t count = 0;
  size_t key_size = 0;
  size_t value_size = 0;
  size_t cursor_size = 0;
  Memory cursor, keys, values;
};

// Pages that nobody writes to cost nothing.
Memory Allocate(size_t count, size_t size) {
  return Memory(static_cast<uint8_t*>(calloc(count, size > 0 ? size : 1)));
}

napi_value LookupBatchAsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto cursor = args.optionalBytes(1);
  uint32_t room = args.u32(2);
  if (!args.ok()) return nullptr;
  if (!map->bound) {
    napi_throw_error(env, "ERR_BPF_STATE", "the map has no buffers");
    return nullptr;
  }
  auto batch = std::make_shared<Batch>();
  batch->first = !cursor;
  batch->count = room;
  batch->key_size = map->key_size;
  batch->value_size = map->value_size;
  // The kernel keeps a bucket's number or a key in it.
  batch->cursor_size = map->key_size < sizeof(uint32_t) ? sizeof(uint32_t) : map->key_size;
  if (cursor && cursor->size != batch->cursor_size) {
    args.Reject(1, "is not a cursor of this map");
    return nullptr;
  }
  batch->cursor = Allocate(1, batch->cursor_size);
  batch->keys = Allocate(room, batch->key_size);
  batch->values = Allocate(room, batch->value_size);
  if (!batch->cursor || !batch->keys || !batch->values) return Throw(env, "bpf_map_lookup_batch", -ENOMEM);
  if (cursor) memcpy(batch->cursor.get(), cursor->data, cursor->size);
  batch->fd = UniqueFd::Duplicate(map->fd());
  if (!batch->fd.IsOpen()) return Throw(env, "fcntl", batch->fd.get());
  return CallAsync(
      env, "bpf_map_lookup_batch",
      [batch] {
        uint8_t* cursor = batch->cursor.get();
        int error = bpf_map_lookup_batch(batch->fd.get(), batch->first ? nullptr : cursor, cursor,
                                         batch->keys.get(), batch->values.get(), &batch->count, nullptr);
        batch->more = error == 0;
        return error == -ENOENT ? 0 : error;
      },
      [](int) {},
      [batch](napi_env env) {
        auto result = Napi::Object::New(env);
        result["count"] = batch->count;
        result["more"] = batch->more;
        result["cursor"] = Napi::Value(env, CopyBytes(env, batch->cursor.get(), batch->cursor_size));
        result["keys"] = Napi::Value(env, CopyBytes(env, batch->keys.get(), batch->count * batch->key_size));
        result["values"] =
            Napi::Value(env, CopyBytes(env, batch->values.get(), batch->count * batch->value_size));
        return static_cast<napi_value>(result);
      });
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
             {"mapUpdateBatch", UpdateBatch},
             {"mapDeleteBatch", DeleteBatch},
             {"mapLookupBatchAsync", LookupBatchAsync},
         });
}
