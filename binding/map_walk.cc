// Entries of a map, many at a time, read on libuv's pool.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "addon.h"
#include "map.h"
#include "util/call.h"
#include "util/unique_fd.h"

namespace {

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

void DefineMapWalk(napi_env env, napi_value exports) {
  Define(env, exports, {{"mapLookupBatchAsync", LookupBatchAsync}});
}
